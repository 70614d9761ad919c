"""Real servers on the loopback that go wrong in one way each, and remember what they were asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from plexctl.voice import OggReader

HANDSHAKE = b"\x00"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer: a JSON document or plain words."""

    status: int
    body: object = ""
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        """Return it for websockets' server."""
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        body = text.encode()
        headers = Headers({"Content-Length": str(len(body)), "Connection": "close", **self.headers})
        return Response(self.status, "Because", headers, body)


@dataclass
class Seen:
    """Where a server is and what it was asked."""

    port: int = 0
    requests: list[Request] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"


Talk = Callable[[ServerConnection, Seen], Awaitable[None]]


@asynccontextmanager
async def voice_server(
    talk: Talk,
    *,
    health: Answer | None = None,
    chat: Answer | None = None,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Seen]:
    """Serve conversations by `talk`; `/health` answers 404 as upstream unless told; `chat` refuses the upgrade."""
    seen = Seen()

    def answer(_: ServerConnection, request: Request) -> Response | None:
        seen.requests.append(request)
        if request.path == "/health":
            return (health or Answer(404)).response()
        return None if chat is None else chat.response()

    async def converse(socket: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            await talk(socket, seen)

    async with serve(converse, "127.0.0.1", 0, process_request=answer, ssl=tls, compression=None) as server:
        seen.port = next(iter(server.sockets)).getsockname()[1]
        yield seen


@asynccontextmanager
async def raw_server(
    health: bytes | None, chat: bytes | None = b"", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Seen]:
    """Answer every request with fixed bytes and hang up; None says nothing and waits for the caller to go."""
    seen = Seen()

    async def serve_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            head = await reader.read(65_536)
            said = health if head.startswith(b"GET /health ") else chat
            if said is None:
                await reader.read()
            else:
                writer.write(said)
                await writer.drain()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0, ssl=tls)
    async with server:
        seen.port = server.sockets[0].getsockname()[1]
        yield seen


async def remember(socket: ServerConnection, seen: Seen) -> AsyncIterator[bytes]:
    """Yield the caller's messages and keep them."""
    async for message in socket:
        assert isinstance(message, bytes)
        seen.messages.append(message)
        yield message


def echo_after(word: str) -> Talk:
    """Return an echo that says a word first."""

    async def talk(socket: ServerConnection, seen: Seen) -> None:
        await socket.send(HANDSHAKE)
        await socket.send(b"\x02" + word.encode())
        async for message in remember(socket, seen):
            await socket.send(message)

    return talk


echo = echo_after("hello")


async def echo_in_scraps(socket: ServerConnection, seen: Seen) -> None:
    """Send everything back, cut in the middle of pages, in fragments, between pings and kinds nobody knows."""
    await socket.send(HANDSHAKE)
    async for message in remember(socket, seen):
        await socket.ping()
        await socket.send(b"\x63unknown")
        await socket.send("a text frame")
        await socket.send([message[:10], message[10:20]])
        await socket.send([b"\x01", message[20:]])


async def half_speed(socket: ServerConnection, seen: Seen) -> None:
    """Answer every second page of sound: half of real time."""
    await socket.send(HANDSHAKE)
    async for message in remember(socket, seen):
        if len(seen.messages) % 2:
            await socket.send(message)


async def stall(socket: ServerConnection, seen: Seen) -> None:
    """Answer the first 0.4 s, then listen only."""
    await socket.send(HANDSHAKE)
    async for message in remember(socket, seen):
        if len(seen.messages) <= 12:
            await socket.send(message)


async def silent(socket: ServerConnection, seen: Seen) -> None:
    """Greet, send the two header pages as upstream does, and only listen."""
    await socket.send(HANDSHAKE)
    async for message in remember(socket, seen):
        if len(seen.messages) <= 2:
            await socket.send(message)


async def mute(socket: ServerConnection, seen: Seen) -> None:
    """Never greet: upstream with another caller."""
    async for _ in remember(socket, seen):
        pass


async def cut_at_once(socket: ServerConnection, _: Seen) -> None:
    """Drop the connection without a close frame: upstream with a voice it does not know."""
    socket.transport.abort()


async def cut_in_talk(socket: ServerConnection, seen: Seen) -> None:
    """Drop the connection after a few pages."""
    await socket.send(HANDSHAKE)
    async for _ in remember(socket, seen):
        if len(seen.messages) > 5:
            socket.transport.abort()


def closing(code: int, reason: str) -> Talk:
    """Return a server that closes after the upgrade, with these words."""

    async def close(socket: ServerConnection, _: Seen) -> None:
        await socket.close(code, reason)

    return close


def saying(*messages: bytes | str) -> Talk:
    """Return a server that says fixed messages, then listens."""

    async def say(socket: ServerConnection, seen: Seen) -> None:
        for message in messages:
            await socket.send(message)
        async for _ in remember(socket, seen):
            pass

    return say


def saying_raw(greeting: bytes, raw: bytes) -> Talk:
    """Return a server that sends one message and then bytes that are no frames."""

    async def say(socket: ServerConnection, _: Seen) -> None:
        await socket.send(greeting)
        socket.transport.write(raw)
        await socket.wait_closed()

    return say


def endless(greeting: bytes, frame: bytes) -> Talk:
    """Return a server that repeats bytes for ever as fast as they are taken; once it greeted, when it is spoken to."""

    async def flood(socket: ServerConnection, _: Seen) -> None:
        await socket.send(greeting)
        if greeting == HANDSHAKE:
            await socket.recv()
        many = frame * (1 + 64_000 // len(frame))
        while not socket.transport.is_closing():
            if socket.transport.get_write_buffer_size() < len(many):
                socket.transport.write(many)
            await asyncio.sleep(0)

    return flood


def frame(message: bytes) -> bytes:
    """Return a message as one frame."""
    return Frame(Opcode.BINARY, message).serialize(mask=False)


PING = Frame(Opcode.PING, b"x" * 100).serialize(mask=False)


def pages_in(messages: list[bytes]) -> int:
    """Count the Ogg pages in audio messages."""
    reader = OggReader()
    return sum(len(reader.feed(message[1:])) for message in messages)
