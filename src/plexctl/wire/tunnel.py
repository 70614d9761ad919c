"""A listener on this machine whose callers reach an endpoint, over a connection that trusts what we trust.

For programs that cannot pin a certificate, such as browsers. Bytes go through as they are, HTTP and WebSockets alike;
who reads slowly makes the other side wait. Only programs of this machine can call it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from plexctl.errors import ConflictError
from plexctl.wire.endpoint import Endpoint
from plexctl.wire.opening import open_stream
from plexctl.wire.stage_log import StageLog
from plexctl.wire.stages import WireError
from plexctl.wire.stream import Stream
from plexctl.wire.trust import Trust

HOST = "127.0.0.1"
_OPEN_S = 10.0
_LAST_BYTES_S = 1.0
"""For the last bytes to reach somebody whose other side has hung up."""
_MOST_CALLERS = 256


class _Caller(Stream):
    """A connection from this machine, which tells of itself once it is there."""

    def __init__(self, came: Callable[[_Caller], None]) -> None:
        super().__init__()
        self._came = came

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._came(self)


@asynccontextmanager
async def tunnel(
    endpoint: Endpoint, trust: Trust, port: int, failed: Callable[[WireError], None]
) -> AsyncIterator[int]:
    """Listen until the context ends; gives the port. `failed` is told why a caller could not be let through.

    `port` 0: a free one. Raises ConflictError for a port that is taken.
    """
    loop = asyncio.get_running_loop()
    calls: set[asyncio.Task[None]] = set()

    def came(caller: _Caller) -> None:
        if len(calls) >= _MOST_CALLERS:
            caller.transport.abort()
            return
        call = loop.create_task(_let_through(caller, endpoint, trust, failed))
        calls.add(call)
        call.add_done_callback(calls.discard)

    try:
        server = await loop.create_server(lambda: _Caller(came), HOST, port)
    except OSError as error:
        words = f"cannot listen on {HOST}:{port}: {os.strerror(error.errno or 0)}"
        raise ConflictError(words, hint="name another with --port, or leave it out") from None
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


async def _let_through(caller: Stream, endpoint: Endpoint, trust: Trust, failed: Callable[[WireError], None]) -> None:
    """Connect a caller with the endpoint until one of them hangs up."""
    try:
        there = await open_stream(endpoint, trust, _OPEN_S, StageLog())
    except WireError as error:
        failed(error)
        await caller.close()
        return
    except BaseException:
        await caller.close()
        raise
    ways = [asyncio.ensure_future(_pump(caller, there)), asyncio.ensure_future(_pump(there, caller))]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.gather(*(one.finish(_LAST_BYTES_S) for one in (caller, there)))
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, caller.close(), there.close(), return_exceptions=True)


async def _pump(source: Stream, sink: Stream) -> None:
    """Pass on what comes until the source hangs up."""
    while True:
        _, piece = await source.read()
        if not piece:
            return
        sink.write(piece)
        await sink.drain()
