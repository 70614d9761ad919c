"""A tunnel lets programs that cannot pin a certificate reach an endpoint, with every byte and nobody else's."""

from __future__ import annotations

import asyncio
import hashlib
from contextlib import suppress

import pytest
from tests.probe.conftest import Certificates
from tests.probe.servers import Answer, echo_after, raw_server, voice_server
from websockets.asyncio.client import connect

from plexctl.errors import ConflictError
from plexctl.wire import Endpoint, Trust, WireError, get
from plexctl.wire.tunnel import tunnel

LIMIT_S = 10.0


def at(port: int) -> Endpoint:
    """Return a TLS endpoint of this machine."""
    return Endpoint.parse(f"https://127.0.0.1:{port}")


async def rest_of(reader: asyncio.StreamReader) -> bytes:
    """Return what still comes until the other side hangs up, rudely or not."""
    with suppress(ConnectionError):
        return await reader.read()
    return b""


async def test_http_and_websockets_go_through(certificates: Certificates) -> None:
    """In plain text on this side, pinned TLS on the other; the words of both sides arrive."""
    told: list[WireError] = []
    pinned = Trust.of(fingerprint=certificates.fingerprint)
    async with asyncio.timeout(LIMIT_S):
        talk = echo_after("hello")
        async with (
            voice_server(talk, health=Answer(200, {"state": "ready"}), tls=certificates.good) as seen,
            tunnel(at(seen.port), pinned, 0, told.append) as port,
        ):
            answer = await get(f"http://127.0.0.1:{port}/health")
            assert answer.json() == {"state": "ready"}
            async with connect(f"ws://127.0.0.1:{port}/api/chat", compression=None) as socket:
                first = await socket.recv()
                assert first
                await socket.send(b"\x01abc")
                assert await socket.recv()
            assert seen.messages == [b"\x01abc"]
    assert told == []


async def test_megabytes_arrive_whole_with_a_slow_reader(certificates: Certificates) -> None:
    """Who reads slowly makes the other side wait; nothing is lost when that hangs up at the end."""
    body = bytes(range(256)) * 4 * 4096
    reply = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
    digest = hashlib.sha256()
    async with asyncio.timeout(LIMIT_S):
        async with (
            raw_server(reply, tls=certificates.good) as seen,
            tunnel(at(seen.port), Trust.of(fingerprint=certificates.fingerprint), 0, print) as port,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=4096)
            writer.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")
            size = 0
            while piece := await reader.read(4096):
                digest.update(piece)
                size += len(piece)
                await asyncio.sleep(0)
            writer.close()
    assert (size, digest.digest()) == (len(body), hashlib.sha256(body).digest())


async def test_another_certificate_lets_nobody_through(certificates: Certificates) -> None:
    """The caller is hung up on before a byte of his has left this machine, and it is said why."""
    told: list[WireError] = []
    async with asyncio.timeout(LIMIT_S):
        async with (
            raw_server(b"never", tls=certificates.good) as seen,
            tunnel(at(seen.port), Trust.of(fingerprint="0" * 64), 0, told.append) as port,
        ):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            assert await rest_of(reader) == b""
            writer.close()
    assert [one.outcome for one in told] == ["pin_mismatch"]
    assert seen.requests == []


async def test_only_this_machine_can_call() -> None:
    """It listens on the loopback, at the port that was asked for; a taken one is exit 11."""
    async with asyncio.timeout(LIMIT_S), tunnel(at(1), Trust(), 0, print) as port:
        with pytest.raises(ConflictError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            await tunnel(at(1), Trust(), port, print).__aenter__()


async def test_the_end_of_the_tunnel_hangs_up_at_once(certificates: Certificates) -> None:
    """Ctrl-C need not wait for a conversation."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(LIMIT_S), raw_server(None, None, tls=certificates.good) as seen:
        async with tunnel(at(seen.port), Trust.of(fingerprint=certificates.fingerprint), 0, print) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\n\r\n")
            await asyncio.sleep(0.1)
            begun = loop.time()
        assert loop.time() - begun < 1.0
        assert await rest_of(reader) == b""
        writer.close()
