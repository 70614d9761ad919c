"""A bare socket that speaks just enough WebSocket to break its rules, written apart from the gateway's own frames."""

from __future__ import annotations

import asyncio
import ssl
import struct
from dataclasses import dataclass

MASK = b"\x11\x22\x33\x44"


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame from the gateway."""

    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int:
        """The code of a close frame."""
        assert self.opcode == 8, self
        return int.from_bytes(self.payload[:2], "big")

    @property
    def reason(self) -> str:
        """The reason of a close frame."""
        return self.payload[2:].decode()


def frame(opcode: int, payload: bytes = b"", *, first: int | None = None, is_masked: bool = True) -> bytes:
    """Return a client's frame; `first` replaces its first byte."""
    head = bytes([0x80 | opcode if first is None else first])
    bit = 0x80 if is_masked else 0
    size = len(payload)
    if size < 126:
        head += bytes([bit | size])
    elif size < 65536:
        head += bytes([bit | 126]) + struct.pack("!H", size)
    else:
        head += bytes([bit | 127]) + struct.pack("!Q", size)
    if not is_masked:
        return head + payload
    return head + MASK + bytes(byte ^ MASK[n % 4] for n, byte in enumerate(payload))


def page(seconds: float = 0.02, serial: int = 7, body: bytes | None = None) -> bytes:
    """Return an Ogg page with 20 ms Opus packets (or with `body` as its one packet)."""
    packets = [b"\xf8" + bytes([serial % 256]) * 20] * round(seconds / 0.02) if body is None else [body]
    head = b"OggS\x00\x00" + bytes(8) + serial.to_bytes(4, "little") + bytes(8)
    lacing = bytes(len(packet) for packet in packets)
    return head + bytes([len(lacing)]) + lacing + b"".join(packets)


def audio(seconds: float = 0.02, serial: int = 7) -> bytes:
    """Return an audio message."""
    return b"\x01" + page(seconds, serial)


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, context: ssl.SSLContext | None = None) -> Wire:
        """Connect to the loopback, by TLS when there is a context."""
        return cls(*await asyncio.open_connection("127.0.0.1", port, ssl=context))

    async def request(self, text: str) -> tuple[int, bytes]:
        """Send a request's head; return the status and the answer's head."""
        self.writer.write(text.encode())
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
        return int(head.split(b" ", 2)[1]), head

    async def upgrade(self, path: str, headers: str = "") -> int:
        """Ask for a WebSocket; return the status."""
        status, _ = await self.request(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n{headers}\r\n"
        )
        return status

    def send(self, data: bytes) -> None:
        """Send bytes."""
        self.writer.write(data)

    async def frame(self, limit_s: float = 10.0) -> Frame:
        """Return the next frame."""
        async with asyncio.timeout(limit_s):
            first, second = await self.reader.readexactly(2)
            assert not second & 0x80, "a server must not mask"
            assert not first & 0x70, "no extension was agreed on"
            size = second & 0x7F
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8), "big")
            return Frame(first & 0x0F, await self.reader.readexactly(size))

    async def until_close(self, limit_s: float = 10.0) -> Frame:
        """Return the close frame, passing over what comes before it."""
        async with asyncio.timeout(limit_s):
            while True:
                frame = await self.frame(limit_s)
                if frame.opcode == 8:
                    return frame

    async def until_eof(self, limit_s: float = 10.0) -> None:
        """Wait until the gateway has closed the connection."""
        async with asyncio.timeout(limit_s):
            while await self.reader.read(65536):
                pass

    async def handshake(self) -> None:
        """Pass over the engine's handshake and echo's first words."""
        assert (await self.frame()).payload == b"\x00"
        assert (await self.frame()).payload.startswith(b"\x02voice=")

    async def close(self) -> None:
        """Cut the connection."""
        self.writer.transport.abort()
