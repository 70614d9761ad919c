"""A pod's log as Server-Sent Events, and RunPod's proxy in front of its port."""

from __future__ import annotations

import asyncio
import contextlib
import json
from datetime import datetime
from typing import Any

import aiohttp
from aiohttp import web
from tests.clouds.runpod.running import Running
from tests.clouds.runpod.state import Line, Pod

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "content-encoding", "host"}
_LARGEST = 2 << 20


class Logs:
    """Streams logs. They stay open while the pod is up; `cuts` are counts of events after which one is cut."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self.cuts: list[int] = []
        self.closing = False

    async def stream(self, pod: Pod, request: web.Request) -> web.StreamResponse:
        """Answer `GET /v2/pods/{id}/logs`; a resumed one begins with the very event that is named."""
        await self._running.want(pod)
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-cache"})
        await answer.prepare(request)
        given, cut = self._first(pod, request), self.cuts.pop(0) if self.cuts else None
        with contextlib.suppress(ConnectionError):
            while True:
                # Looked at before the lines: what comes between is sent in the next round.
                is_up = pod.is_up or self._running.is_alive(pod)
                for line in pod.lines[given:]:
                    given += 1
                    if request.query.get("source") in (None, line.source):
                        await answer.write(_event(line))
                        cut = None if cut is None else cut - 1
                        if cut == 0:
                            assert request.transport is not None
                            await answer.write(b"id: half an ev")
                            request.transport.close()
                            return answer
                if not is_up or self.closing:
                    return answer
                await self._wait(pod, given)
        return answer

    def _first(self, pod: Pod, request: web.Request) -> int:
        """Return how many lines are left out at first."""
        last, since = request.headers.get("Last-Event-ID"), request.query.get("since")
        if last is not None:
            return next((n for n, line in enumerate(pod.lines) if line.id == last), 0)
        if since is not None:
            moment = datetime.fromisoformat(since).timestamp()
            return next((n for n, line in enumerate(pod.lines) if line.at >= moment), len(pod.lines))
        tail, source = int(request.query.get("tail", "100")), request.query.get("source")
        assert 0 <= tail <= 5000
        numbers = [n for n, line in enumerate(pod.lines) if source in (None, line.source)]
        return len(pod.lines) if tail == 0 else (numbers[-tail:] or [len(pod.lines)])[0]

    async def _wait(self, pod: Pod, given: int) -> None:
        async with self._running.changed:
            if len(pod.lines) == given and pod.is_up:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._running.changed.wait(), 0.2)


class Proxy:
    """`https://{pod}-{port}.proxy.runpod.net`, as a path on the loopback: 404 for no pod, 502 for no service."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._client: aiohttp.ClientSession | None = None
        self.is_down = False
        """Whether it answers 502 whatever its pod does."""

    async def answer(self, pod: Pod | None, request: web.Request) -> web.StreamResponse:
        """Pass a request on to a pod's port."""
        if pod is None:
            return web.Response(status=404, text="404: no such pod")
        await self._running.want(pod)
        if self.is_down or not pod.port:
            return web.Response(status=502, text="502: Bad Gateway")
        path = f"/{request.match_info['path']}" + (f"?{request.query_string}" if request.query_string else "")
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._converse(f"ws://127.0.0.1:{pod.port}{path}", request)
        return await self._pass_on(f"http://127.0.0.1:{pod.port}{path}", request)

    async def close(self) -> None:
        """End its connections."""
        if self._client is not None:
            await self._client.close()

    async def _pass_on(self, url: str, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            async with self._session().request(
                request.method, url, headers=headers, data=await request.read(), allow_redirects=False
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except aiohttp.ClientError:
            return web.Response(status=502, text="502: Bad Gateway")

    async def _converse(self, url: str, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in ("Authorization", "Origin") if name in request.headers}
        try:
            theirs = await self._session().ws_connect(url, headers=headers, compress=0, max_msg_size=_LARGEST)
        except aiohttp.WSServerHandshakeError as refused:
            return web.Response(status=refused.status)
        except aiohttp.ClientError:
            return web.Response(status=502)
        async with theirs:
            ours = web.WebSocketResponse(compress=False, max_msg_size=_LARGEST)
            await ours.prepare(request)
            await asyncio.gather(_pump(ours, theirs), _pump(theirs, ours))
            return ours

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(auto_decompress=False)
        return self._client


def _event(line: Line) -> bytes:
    data = json.dumps({"ts": line.ts, "source": line.source, "line": line.text}, ensure_ascii=False)
    return f"id: {line.id}\ndata: {data}\n\n".encode()


async def _pump(source: Any, sink: Any) -> None:
    """Pass messages on in one direction, and the end with its code."""
    async for message in source:
        if message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
    if not sink.closed:
        await sink.close(code=source.close_code or 1000)
