"""The loopback OVHcloud's API: an HTTP server in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar, cast

from aiohttp import web
from tests.clouds.ovh.app_calls import AppCalls
from tests.clouds.ovh.door import APPLICATION, CLIENT, CLIENT_SECRET, CONSUMER, SECRET, Answer, Door, problem
from tests.clouds.ovh.instance_calls import Boot, InstanceCalls
from tests.clouds.ovh.running import Running
from tests.clouds.ovh.state import App, Instance, State
from tests.clouds.runpod.faults import DROPPED, Chaos, Fault
from tests.clouds.runpod.streams import Proxy

T = TypeVar("T")
Serve = Callable[[web.Request, dict[str, Any]], Answer | Awaitable[Answer]]
_CLOSING_S = 60.0
_IN = "/1.0/cloud/project/{project}"


@dataclass
class Seen:
    """A request that came in."""

    operation: str
    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int | None = None


class Ovh(State):
    """An OVHcloud on the loopback, from `with` to its end; `boot` starts the machines of instances."""

    def __init__(self, boot: Boot | None = None) -> None:
        super().__init__()
        self._boot = boot
        self.door = Door()
        self.faults: list[Fault] = []
        self.chaos: Chaos | None = None
        self.seen: list[Seen] = []
        self.answers: dict[str, str] = {}
        """Operation to the text that it answers, whatever is asked."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.do(self._open())
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSING_S)
        self._loop.close()
        self.instance_calls.close()

    @property
    def for_people(self) -> dict[str, str]:
        """What sends a person's client here."""
        keys = {"OVH_APPLICATION_KEY": APPLICATION, "OVH_APPLICATION_SECRET": SECRET, "OVH_CONSUMER_KEY": CONSUMER}
        return {"PLEXCTL_OVH_URL": f"{self.url}/1.0", **keys}

    @property
    def for_ci(self) -> dict[str, str]:
        """What sends a CI job's client here."""
        return {"PLEXCTL_OVH_URL": f"{self.url}/1.0", "OVH_CLIENT_ID": CLIENT, "OVH_CLIENT_SECRET": CLIENT_SECRET}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CLOSING_S)

    def fail(self, operation: str, status: int, detail: str = "", **more: Any) -> None:
        """Let something go wrong from now on; `more` is whatever else a Fault has."""
        self.faults.append(Fault(operation, status, detail, **more))

    def end_app(self, app: App, state: str) -> None:
        """End an app behind everybody's back."""
        self.do(self.running.end(app, state, is_accident=True))

    async def _open(self) -> None:
        self.running = Running(self)
        self.proxy = Proxy(cast("Any", self.running))
        self.app_calls, self.instance_calls = AppCalls(self, self.running), InstanceCalls(self, self._boot)
        server = web.Application(client_max_size=8 << 20)
        server.router.add_route("*", "/proxy/{app}-8998/{path:.*}", self._proxied)
        server.router.add_route("POST", "/auth/oauth2/token", self._token)
        for method, path, operation, serve, *is_open in self._routes():
            server.router.add_route(method, path, self._served(operation, serve, is_open=bool(is_open)))
        self._runner = web.AppRunner(server, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = self.running.address = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _close(self) -> None:
        await self.running.close()
        await self._runner.cleanup()
        await self.proxy.close()

    def _routes(self) -> list[tuple[Any, ...]]:
        return [*self._common_routes(), *self._instance_routes(), *self._app_routes()]

    def _common_routes(self) -> list[tuple[Any, ...]]:
        calls = self.instance_calls
        return [
            ("GET", "/1.0/auth/time", "time", lambda _, __: (200, self.door.time()), True),
            ("POST", "/1.0/auth/credential", "credential", self.door.credential, True),
            ("GET", "/1.0/cloud/project", "projects", lambda _, __: (200, self.projects)),
            ("GET", f"{_IN}/flavor", "flavors", lambda r, _: calls.flavours(r.query.get("region"))),
            ("GET", f"{_IN}/image", "images", lambda r, _: calls.images(r.query.get("region"))),
            ("GET", f"{_IN}/sshkey", "keys", lambda _, __: calls.keys()),
            ("POST", f"{_IN}/sshkey", "add-key", lambda _, body: calls.add_key(body)),
            ("DELETE", f"{_IN}/sshkey/{{id}}", "delete-key", lambda r, _: calls.delete_key(r.match_info["id"])),
        ]

    def _instance_routes(self) -> list[tuple[Any, ...]]:
        calls, one = self.instance_calls, f"{_IN}/instance/{{id}}"
        region = f"{_IN}/region/{{region}}/instance"

        def on(serve: Callable[[Instance], Answer | Awaitable[Answer]]) -> Serve:
            def call(request: web.Request, _: dict[str, Any]) -> Answer | Awaitable[Answer]:
                found = self.instances.get(request.match_info["id"])
                return problem(404, "instance not found") if found is None else serve(found)

            return call

        shelved = ("SHELVED", "SHELVED_OFFLOADED")
        return [
            ("GET", region, "instances", lambda r, _: calls.inside(r.match_info["region"])),
            ("POST", region, "create", lambda r, body: calls.create(r.match_info["region"], body)),
            ("GET", f"{region}/{{id}}", "get", lambda r, _: calls.get(r.match_info["region"], r.match_info["id"])),
            ("GET", f"{_IN}/operation/{{id}}", "operation", lambda r, _: calls.operation(r.match_info["id"])),
            ("DELETE", one, "delete", on(calls.delete)),
            ("POST", f"{one}/shelve", "shelve", on(calls.shelve)),
            ("POST", f"{one}/unshelve", "unshelve", on(lambda found: calls.wake(found, shelved, "unshelve"))),
            ("POST", f"{one}/start", "start", on(lambda found: calls.wake(found, ("SHUTOFF",), "start"))),
        ]

    def _app_routes(self) -> list[tuple[Any, ...]]:
        calls, root = self.app_calls, f"{_IN}/ai"
        one = f"{root}/app/{{id}}"

        def on(serve: Callable[[App, web.Request], Answer | Awaitable[Answer]]) -> Serve:
            def call(request: web.Request, _: dict[str, Any]) -> Answer | Awaitable[Answer]:
                found = self.apps.get(request.match_info["id"])
                return problem(404, "app not found") if found is None else serve(found, request)

            return call

        def log(app: App, request: web.Request) -> Awaitable[Answer]:
            return calls.log(app, int(request.query.get("page", "1")), int(request.query.get("size", "100")))

        def delete(app: App, request: web.Request) -> Awaitable[Answer]:
            return calls.delete(app, force=request.query.get("force") == "true")

        return [
            ("GET", f"{root}/capabilities/region", "regions", lambda _, __: calls.regions()),
            ("GET", f"{root}/capabilities/region/{{region}}/flavor", "ai-flavors", lambda _, __: calls.flavours()),
            ("GET", f"{root}/capabilities/quota", "quota", lambda _, __: calls.quota()),
            ("GET", f"{root}/app", "apps", lambda _, __: calls.all()),
            ("POST", f"{root}/app", "create-app", lambda _, body: calls.create(body)),
            ("GET", one, "get-app", on(lambda app, _: calls.get(app))),
            ("DELETE", one, "delete-app", on(delete)),
            ("PUT", f"{one}/start", "start-app", on(lambda app, _: calls.start(app))),
            ("PUT", f"{one}/stop", "stop-app", on(lambda app, _: calls.stop(app))),
            ("GET", f"{one}/log", "log", on(log)),
        ]

    def _served(
        self, operation: str, serve: Serve, *, is_open: bool
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap an operation: who asks, what goes wrong, and what is remembered of it."""

        async def answer(request: web.Request) -> web.StreamResponse:
            text = await request.text()
            seen = Seen(operation, request.method, request.path_qs, dict(request.headers), text)
            self.seen.append(seen)
            refused = None if is_open else self.door.refusal(request, text)
            if not is_open and refused is None and request.match_info.get("project", "") not in ("", *self.projects):
                refused = problem(404, "This service does not exist")
            fault = None if refused else next((one for one in self.faults if one.strikes(operation)), None)
            if fault is None and refused is None and self.chaos is not None:
                fault = self.chaos.draw(operation)
            said = refused
            if said is None and (fault is None or fault.after):
                called = serve(request, json.loads(text) if text else {})
                said = called if isinstance(called, tuple) else await called
            written = _faulty(fault, request) if fault else _written(said or (500, None))
            if operation in self.answers and refused is None:
                written = web.Response(text=self.answers[operation], content_type="application/json")
            seen.status = written.status
            return written

        return answer

    async def _token(self, request: web.Request) -> web.StreamResponse:
        form = {name: str(value) for name, value in (await request.post()).items()}
        self.seen.append(Seen("token", request.method, request.path_qs, {}, ""))
        fault = next((one for one in self.faults if one.strikes("token")), None)
        return _faulty(fault, request) if fault else _written(self.door.token(request, form))

    async def _proxied(self, request: web.Request) -> web.StreamResponse:
        return await self.proxy.answer(cast("Any", self.apps.get(request.match_info["app"])), request)


def _written(said: Answer) -> web.StreamResponse:
    status, body = said
    if status == 204:
        return web.Response(status=status)
    headers = {"X-OVH-QUERYID": "EU.ext-1.loopback"}
    return web.Response(status=status, text=json.dumps(body), content_type="application/json", headers=headers)


def _faulty(fault: Fault, request: web.Request) -> web.StreamResponse:
    if fault.status == DROPPED:
        assert request.transport is not None
        request.transport.close()
        return web.Response(status=500)
    if fault.plain:
        return web.Response(status=fault.status, text="<html>upstream said no</html>", headers=fault.headers)
    return _written((fault.status, {"class": "Server::Error", "message": fault.detail or "something went wrong"}))
