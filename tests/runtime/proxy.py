"""A socket between plexctl and its container engine that holds, cuts or refuses chosen requests."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from tests.clouds.registry.serving import serving

BEFORE, AFTER, CUT = "hold before", "hold after", "cut the answer"
_NOT_PASSED_ON = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_LIMIT_S = 60.0


@dataclass
class Rule:
    """What happens to the first request whose `METHOD path` matches; `reached` is set when it does.

    BEFORE: the engine never hears of it. AFTER: it is carried out, and nobody answers. CUT: it is carried out, and the
    connection is closed. An int: the engine never hears of it, and this status with `words` is the answer.
    """

    pattern: str
    action: str | int
    words: str = ""
    reached: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Wait until the request has come."""
        assert self.reached.wait(_LIMIT_S), f"no request came that matches {self.pattern}"


@dataclass
class Proxy:
    """The socket in between: `docker_host` is what plexctl is given."""

    engine: str
    socket: Path
    rules: list[Rule] = field(default_factory=list)

    @property
    def docker_host(self) -> str:
        """The value for DOCKER_HOST."""
        return f"unix://{self.socket}"

    def add(self, pattern: str, action: str | int, words: str = "") -> Rule:
        """Add a rule."""
        rule = Rule(pattern, action, words)
        self.rules.append(rule)
        return rule

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Pass a request on, unless a rule says otherwise."""
        line = f"{request.method} {request.path}"
        rule = next((one for one in self.rules if re.search(one.pattern, line) and not one.reached.is_set()), None)
        if rule is None:
            return await self._passed_on(request)
        if isinstance(rule.action, int):
            rule.reached.set()
            return web.json_response({"message": rule.words}, status=rule.action)
        if rule.action != BEFORE:
            await self._passed_on(request, is_heard=False)
        rule.reached.set()
        if rule.action == CUT:
            assert request.transport is not None
            request.transport.abort()
        else:
            await asyncio.Event().wait()
        return web.Response()

    async def _passed_on(self, request: web.Request, *, is_heard: bool = True) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _NOT_PASSED_ON}
        connector = aiohttp.UnixConnector(path=self.engine.removeprefix("unix://"))
        limits = aiohttp.ClientTimeout(total=None)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=limits, auto_decompress=False) as session,
            session.request(
                request.method, f"http://engine{request.path_qs}", headers=headers, data=await request.read() or None
            ) as answer,
        ):
            if not is_heard:
                return web.Response(body=await answer.read())
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED_ON}
            passed = web.StreamResponse(status=answer.status, headers=kept)
            await passed.prepare(request)
            async for piece in answer.content.iter_any():
                await passed.write(piece)
            await passed.write_eof()
            return passed


@contextmanager
def proxy_to(engine: str, socket: Path) -> Iterator[Proxy]:
    """Serve a proxy in front of an engine's socket until the block ends."""
    proxy = Proxy(engine, socket)

    def app() -> web.Application:
        one = web.Application(client_max_size=1 << 30)
        one.router.add_route("*", "/{path:.*}", proxy.answer)
        return one

    with serving(app, lambda runner: web.UnixSite(runner, str(socket))):
        yield proxy
