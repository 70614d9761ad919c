"""The bytes of one connection: a bounded buffer of pieces, each with the time it arrived."""

from __future__ import annotations

import asyncio
from collections import deque

_HIGH, _LOW = 512 * 1024, 128 * 1024
_CLOSE_S = 0.25


class Stream(asyncio.Protocol):
    """Reads for one reader at a time; a peer that sends faster than it is read is made to wait."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._pieces: deque[tuple[float, bytes]] = deque()
        self._held = 0
        self._is_ended = False
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._gone = self._loop.create_future()
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def transport(self) -> asyncio.Transport:
        """The transport below; it changes when TLS is put in between."""
        if self._transport is None:
            raise RuntimeError("the stream is not connected")
        return self._transport

    @transport.setter
    def transport(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - loops give nothing else for a socket
        self._transport = transport

    @property
    def unsent_bytes(self) -> int:
        """Bytes written that the network has not taken yet."""
        return 0 if self._is_ended else self.transport.get_write_buffer_size()

    async def read(self) -> tuple[float, bytes]:
        """Return the oldest piece and the loop time of its arrival; an empty one when the peer is gone."""
        while not self._pieces:
            if self._is_ended:
                return self._loop.time(), b""
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        arrived, piece = self._pieces.popleft()
        self._held -= len(piece)
        if self._is_paused and self._held < _LOW:
            self._is_paused = False
            self.transport.resume_reading()
        return arrived, piece

    def write(self, data: bytes) -> None:
        """Send, or do nothing when the peer is gone: the next read tells."""
        if not self._is_ended and not self.transport.is_closing():
            self.transport.write(data)

    def write_eof(self) -> None:
        """Say that nothing more will be sent, where the transport can (TLS cannot)."""
        if not self._is_ended and not self.transport.is_closing() and self.transport.can_write_eof():
            self.transport.write_eof()

    async def drain(self) -> None:
        """Wait until the network has taken most of what was written, or the peer is gone."""
        await self._has_room.wait()

    async def finish(self, timeout_s: float) -> None:
        """Let what was written go out, wait at most so long for it, and drop the connection."""
        self.transport.close()
        await asyncio.wait([self._gone], timeout=timeout_s)
        await self.close()

    async def close(self) -> None:
        """Drop the connection and wait a moment for its socket to close; a TLS handshake cut off never says so."""
        self.transport.abort()
        await asyncio.wait([self._gone], timeout=_CLOSE_S)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; called again when TLS is put in between."""
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self._pieces.append((self._loop.time(), bytes(data)))
        self._held += len(data)
        if self._held > _HIGH and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()
        self._wake()

    def pause_writing(self) -> None:
        """Note that the network takes no more for now."""
        self._has_room.clear()

    def resume_writing(self) -> None:
        """Note that there is room again."""
        self._has_room.set()

    def eof_received(self) -> None:
        """Note that the peer sends no more; the transport closes itself."""
        self._is_ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - a reset ends a stream like EOF
        """Note that the connection is gone."""
        self._is_ended = True
        self._has_room.set()
        if not self._gone.done():
            self._gone.set_result(None)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
