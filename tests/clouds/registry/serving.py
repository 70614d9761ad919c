"""An aiohttp application that serves from a thread of its own, so that what is tested may block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aiohttp import web

_LIMIT_S = 30.0

MakeSite = Callable[[web.AppRunner], web.BaseSite]


@contextmanager
def serving(make_app: Callable[[], web.Application], make_site: MakeSite) -> Iterator[web.AppRunner]:
    """Serve until the block ends; give the runner, whose `addresses` say where."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def begin() -> web.AppRunner:
        # A request that is held for ever ends when its caller has left.
        runner = web.AppRunner(make_app(), access_log=None, shutdown_timeout=0, handler_cancellation=True)
        await runner.setup()
        await make_site(runner).start()
        return runner

    runner = asyncio.run_coroutine_threadsafe(begin(), loop).result(_LIMIT_S)
    try:
        yield runner
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(_LIMIT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_LIMIT_S)
        loop.close()
