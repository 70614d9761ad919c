"""The gateway's connection to one engine: a WebSocket client on the loopback, callbacks instead of tasks.

One conversation, one link. It is closed when the engine's side of the connection is closed, and only then does
`closed` resolve: upstream holds its one slot until that moment.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Callable
from urllib.parse import urlencode

from plexctl.gateway.frames import CloseCode, FrameReader, Opcode, Received, encode_close, encode_frame

_MAX_RESPONSE_HEAD = 16 * 1024
_MAX_ENGINE_MESSAGE = 1024 * 1024
_OPEN_TIMEOUT_S = 10.0
_CLOSE_TIMEOUT_S = 5.0


class LinkError(Exception):
    """The engine did not open a conversation; the text says what it did instead."""


class EngineLink(asyncio.Protocol):
    """Opened by `open_link`, set going by `start`."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._on_received: Callable[[Received], None] | None = None
        self._on_full: Callable[[], None] | None = None
        self._on_free: Callable[[], None] | None = None
        self.closed: asyncio.Future[None] = loop.create_future()
        """Resolves when the connection is gone."""
        self.opened: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._head = b""
        self._reader = FrameReader(expects_mask=False, max_message_size=_MAX_ENGINE_MESSAGE)
        self._early: list[Received] = []
        self._is_closing = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - asyncio's own contract for stream sockets
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read the answer to the upgrade, then frames."""
        if self.opened.done():
            self._read_frames(data)
            return
        self._head += data
        head, found, rest = self._head.partition(b"\r\n\r\n")
        if not found and len(head) <= _MAX_RESPONSE_HEAD:
            return
        self._head = b""
        status = head.split(b"\r\n", 1)[0].split(b" ")
        if not found or status[1:2] != [b"101"]:
            self.opened.set_exception(LinkError(f"the engine answered {b' '.join(status[1:])[:80]!r}"))
            self.abort()
            return
        self.opened.set_result(None)
        self._read_frames(rest)

    def connection_lost(self, _: Exception | None) -> None:
        """Tell both who wait for the opening and who wait for the end."""
        if not self.opened.done():
            self.opened.set_exception(LinkError("the engine closed the connection without an answer"))
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Tell the conversation that the engine does not keep up."""
        if self._on_full is not None:
            self._on_full()

    def resume_writing(self) -> None:
        """Tell the conversation that the engine takes audio again."""
        if self._on_free is not None:
            self._on_free()

    def _read_frames(self, data: bytes) -> None:
        for received in self._reader.feed(data):
            if received.opcode is Opcode.PING:
                self._write(encode_frame(Opcode.PONG, received.payload, is_masked=True))
            elif received.opcode is not Opcode.PONG:
                self._deliver(received)
        if self._reader.violation is not None:
            self.abort()

    def _deliver(self, received: Received) -> None:
        if received.opcode is Opcode.CLOSE and not self._is_closing:
            self.close()
        if self._on_received is None:
            self._early.append(received)
        else:
            self._on_received(received)

    def start(
        self,
        on_received: Callable[[Received], None],
        on_full: Callable[[], None],
        on_free: Callable[[], None],
    ) -> None:
        """Begin calling back, for each message, and when sending blocks and unblocks; what came before comes first."""
        self._on_received, self._on_full, self._on_free = on_received, on_full, on_free
        early, self._early = self._early, []
        for received in early:
            on_received(received)

    @property
    def is_closing(self) -> bool:
        """True once goodbye was said."""
        return self._is_closing

    def send(self, payload: bytes) -> None:
        """Send one binary message."""
        self._write(encode_frame(Opcode.BINARY, payload, is_masked=True))

    def close(self) -> None:
        """Say goodbye; the engine closes the connection, or is cut off after a few seconds."""
        if self._is_closing:
            return
        self._write(encode_close(CloseCode.NORMAL, is_masked=True))
        self._is_closing = True
        timer = self._loop.call_later(_CLOSE_TIMEOUT_S, self.abort)
        self.closed.add_done_callback(lambda _: timer.cancel())

    def abort(self) -> None:
        """Cut the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _write(self, frame: bytes) -> None:
        if self._transport is not None and not self._is_closing and not self._transport.is_closing():
            self._transport.write(frame)

    def upgrade(self, request: bytes) -> None:
        """Send the upgrade request."""
        self._write(request)


def upgrade_request(port: int, voice: str, text_prompt: str) -> bytes:
    """Return the request that opens a conversation with exactly this voice and prompt; never a seed."""
    query = urlencode({"voice_prompt": voice, "text_prompt": text_prompt})
    key = base64.b64encode(secrets.token_bytes(16)).decode()
    return (
        f"GET /api/chat?{query} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


async def open_link(port: int, voice: str, text_prompt: str) -> EngineLink:
    """Open a conversation at the engine on `port`. Raises LinkError."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_OPEN_TIMEOUT_S):
            _, link = await loop.create_connection(EngineLink, "127.0.0.1", port)
            link.upgrade(upgrade_request(port, voice, text_prompt))
            try:
                await link.opened
            except BaseException:
                link.abort()
                raise
    except TimeoutError:
        raise LinkError(f"the engine gave no answer in {_OPEN_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise LinkError(f"the engine cannot be reached: {error}") from error
    return link
