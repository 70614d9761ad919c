"""Containers at the loopback Modal: the real gateway as a process, behind the app's address.

The address answers as Modal's does: a request without a container starts one and waits; after `queue_s` it is sent away
with 303. http on the loopback stands for https.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import aiohttp
from aiohttp import web
from modal_proto import api_pb2
from tests.clouds.modal.cloud import Cloud
from tests.clouds.modal.state import App, new_id

import plexctl

_POLL_S = 0.02
_LARGEST = 2 << 20
"""Bytes of one WebSocket message: more is refused by Modal's proxy (its guide)."""
_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "upgrade", "content-length", "content-encoding", "host"}
_IMAGE = {"PLEXCTL_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
"""What the image's own ENV says, as far as it holds on this machine."""


@dataclass
class Container:
    """One container: wanted, then a process, then gone."""

    app: App
    version: int
    ready_at: float
    id: str = field(default_factory=lambda: new_id("ta"))
    port: int = 0
    process: Process | None = None
    is_up: bool = False
    task: asyncio.Task[None] | None = None

    @property
    def address(self) -> str:
        """Where its gateway listens."""
        return f"127.0.0.1:{self.port}"


class Running:
    """All containers, and the addresses of web apps."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._containers: list[Container] = []
        self._waiting: dict[str, int] = {}
        self._ports: dict[tuple[str, str], int] = {}
        self._sites: list[web.AppRunner] = []
        self._folder = Path(mkdtemp(prefix="loopback-modal-"))
        self._client: aiohttp.ClientSession | None = None

    def containers_of(self, app: App) -> list[Container]:
        """Return an app's containers, those that are only wanted included."""
        return [one for one in self._containers if one.app is app]

    def counts(self, app_id: str) -> tuple[int, int]:
        """Return containers that run and requests that wait."""
        return sum(one.process is not None for one in self._of(app_id)), self._waiting.get(app_id, 0)

    def url_of(self, app_id: str) -> str | None:
        """Return an app's address, the same for each app of one name."""
        app = self._cloud.app(app_id)
        port = self._ports.get((app.description, app.environment))
        return f"http://127.0.0.1:{port}" if port else None

    async def open(self, app: App) -> None:
        """Listen at the app's address."""
        name = (app.description, app.environment)
        if name in self._ports:
            return

        async def answer(request: web.Request) -> web.StreamResponse:
            return await self._answer(name, request)

        server = web.Application(client_max_size=64 << 20)
        server.router.add_route("*", "/{path:.*}", answer)
        runner = web.AppRunner(server, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        await web.SockSite(runner, listener).start()
        self._sites.append(runner)
        self._ports[name] = listener.getsockname()[1]

    async def roll_out(self, app: App) -> None:
        """Let containers of older versions end, and have as many new ones as the definition keeps up."""
        old = [one for one in self._of(app.id) if one.version != app.version]
        for one in old:
            await self._end(one)
        for _ in range(self._fewest(app) - len(self._of(app.id))):
            self._want(app)

    async def end(self, app: App) -> None:
        """End an app's containers."""
        await asyncio.gather(*(self._end(one) for one in self._of(app.id)))

    async def scale_down(self) -> None:
        """Let the scaledown window pass: containers go, but for those that are kept up."""
        for app in {one.app.id: one.app for one in self._containers}.values():
            for one in self._of(app.id)[self._fewest(app) :]:
                await self._end(one)

    async def close(self) -> None:
        """End everything."""
        await asyncio.gather(*(self._end(one) for one in list(self._containers)))
        await asyncio.gather(*(runner.cleanup() for runner in self._sites))
        if self._client is not None:
            await self._client.close()

    def _of(self, app_id: str) -> list[Container]:
        return [one for one in self._containers if one.app.id == app_id]

    def _fewest(self, app: App) -> int:
        return max((self._definition(app).autoscaler_settings.min_containers, 0)) if self._has_web(app) else 0

    def _has_web(self, app: App) -> bool:
        return bool(app.functions) and any(
            method.webhook_config.type for method in self._definition(app).method_definitions.values()
        )

    def _definition(self, app: App) -> Any:
        return self._cloud.functions[next(iter(app.functions.values()))].definition

    def _want(self, app: App) -> Container:
        container = Container(app, app.version, self._cloud.clock() + self._cloud.cold_start_s)
        self._containers.append(container)
        container.task = asyncio.ensure_future(self._live(container))
        return container

    async def _live(self, container: Container) -> None:
        cloud, app = self._cloud, container.app
        has_gpu = bool(self._definition(app).resources.gpu_config.gpu_type)
        while (has_gpu and not cloud.has_capacity) or cloud.clock() < container.ready_at:  # noqa: ASYNC110 - a clock of the test's
            await asyncio.sleep(_POLL_S)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            container.port = probe.getsockname()[1]
        container.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "plexctl.gateway"),
            cwd=self._folder,
            env=self._environment(container),
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        assert container.process.stdout is not None
        reading = asyncio.ensure_future(self._read(container, container.process.stdout))
        while container.process.returncode is None and not container.is_up:
            container.is_up = await _listens(container.port)
            await asyncio.sleep(_POLL_S)
        await container.process.wait()
        await reading
        if container in self._containers:
            self._containers.remove(container)
            words = f"Runner failed with exit code: {container.process.returncode}\n"
            cloud.log(app, words, api_pb2.FILE_DESCRIPTOR_INFO, container.id)

    async def _read(self, container: Container, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            self._cloud.log(container.app, line.decode(errors="replace"), container=container.id)

    def _environment(self, container: Container) -> dict[str, str]:
        """Return what image, secrets and settings give; a secret that is not there any more is an error."""
        given: dict[str, str] = {}
        for secret_id in self._definition(container.app).secret_ids:
            given |= self._cloud.secrets[secret_id].values
        own = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PYTHONPATH": str(Path(plexctl.__file__).parent.parent),
        }
        engine = {"PLEXCTL_ENGINE": "echo", "PLEXCTL_PORT": str(container.port)}
        return own | _IMAGE | given | engine | self._cloud.container_variables

    async def _end(self, container: Container) -> None:
        """SIGTERM, 30 s, SIGKILL, as Modal does; what it still says is kept."""
        if container in self._containers:
            self._containers.remove(container)
        if container.task is None:
            return
        if container.process is None:
            container.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await container.task
            return
        if container.process.returncode is None:
            container.process.terminate()
        try:
            await asyncio.wait_for(asyncio.shield(container.task), 30)
        except TimeoutError:
            os.killpg(container.process.pid, signal.SIGKILL)
            await container.task

    async def _answer(self, name: tuple[str, str], request: web.Request) -> web.StreamResponse:
        app = self._serving(name)
        if app is None:
            return web.Response(status=404, text="modal-http: invalid function call\n")
        container = await self._container_for(app)
        if container is None:
            return web.Response(status=303, headers={"Location": f"{request.path}?__modal_function_call_id=fc-1"})
        if request.headers.get("Upgrade", "").lower() == "websocket":
            return await self._converse(container, request)
        return await self._pass_on(container, request)

    def _serving(self, name: tuple[str, str]) -> App | None:
        serving = (api_pb2.APP_STATE_DEPLOYED, api_pb2.APP_STATE_EPHEMERAL)
        found = (app for app in self._cloud.apps.values() if (app.description, app.environment) == name)
        return next((app for app in found if app.state in serving and self._has_web(app)), None)

    async def _container_for(self, app: App) -> Container | None:
        """Wait for a container that is up, started if there is room; None when it takes longer than requests wait."""
        most = self._definition(app).autoscaler_settings.max_containers or 1
        deadline = asyncio.get_running_loop().time() + self._cloud.queue_s
        self._waiting[app.id] = self._waiting.get(app.id, 0) + 1
        try:
            while asyncio.get_running_loop().time() < deadline:
                up = [one for one in self._of(app.id) if one.is_up]
                if up:
                    return up[0]
                if len(self._of(app.id)) < most and app.is_alive:
                    self._want(app)
                await asyncio.sleep(_POLL_S)
        finally:
            self._waiting[app.id] -= 1
        return None

    async def _pass_on(self, container: Container, request: web.Request) -> web.StreamResponse:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        url = f"http://{container.address}{request.raw_path}"
        try:
            async with self._session().request(
                request.method, url, headers=headers, data=await request.read(), allow_redirects=False
            ) as answer:
                kept = {name: value for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP}
                return web.Response(status=answer.status, headers=kept, body=await answer.read())
        except aiohttp.ClientError:
            return web.Response(status=500, text="modal-http: internal error: function terminated\n")

    async def _converse(self, container: Container, request: web.Request) -> web.StreamResponse:
        headers = {name: request.headers[name] for name in ("Authorization", "Origin") if name in request.headers}
        url = f"ws://{container.address}{request.raw_path}"
        try:
            theirs = await self._session().ws_connect(url, headers=headers, compress=0, max_msg_size=_LARGEST)
        except aiohttp.WSServerHandshakeError as refused:
            return web.Response(status=refused.status, headers={"Retry-After": "1"})
        except aiohttp.ClientError:
            return web.Response(status=500)
        async with theirs:
            ours = web.WebSocketResponse(compress=False, max_msg_size=_LARGEST)
            await ours.prepare(request)
            await asyncio.wait(
                [asyncio.ensure_future(_pump(ours, theirs)), asyncio.ensure_future(_pump(theirs, ours))],
                return_when=asyncio.ALL_COMPLETED,
            )
            return ours

    def _session(self) -> aiohttp.ClientSession:
        if self._client is None:
            self._client = aiohttp.ClientSession(auto_decompress=False)
        return self._client


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True


async def _pump(source: Any, sink: Any) -> None:
    """Pass messages on in one direction, and the end with its code."""
    async for message in source:
        if message.type is aiohttp.WSMsgType.BINARY:
            await sink.send_bytes(message.data)
        elif message.type is aiohttp.WSMsgType.TEXT:
            await sink.send_str(message.data)
    if not sink.closed:
        await sink.close(code=source.close_code or 1000)
