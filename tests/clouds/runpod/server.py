"""The door of the loopback RunPod: an HTTP server in a thread with a loop of its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from urllib.parse import unquote

from aiohttp import web
from tests.clouds.runpod.faults import DROPPED, Chaos, Fault
from tests.clouds.runpod.judge import judge
from tests.clouds.runpod.pods import Answer, Operations, problem
from tests.clouds.runpod.running import Running
from tests.clouds.runpod.state import Gpu, Pod, State
from tests.clouds.runpod.streams import Logs, Proxy

T = TypeVar("T")
_CLOSING_S = 40.0
_SCHEMAS = {"create": "Pod", "get": "Pod", "list": "ListPodsResponse", "catalog": "ListGpuTypesResponse"}
_SCHEMAS |= {"volume": "NetworkVolume", "registry": "Registry", "start": "Pod", "stop": "Pod", "update": "Pod"}


@dataclass
class Seen:
    """A request that came in; `body` is its text, and `status` None until it was answered."""

    at: float
    operation: str
    method: str
    path: str
    headers: dict[str, str]
    body: str
    status: int | None = None


class RunPod(State):
    """A RunPod on the loopback, from `with` to its end."""

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.faults: list[Fault] = []
        self.chaos: Chaos | None = None
        self.seen: list[Seen] = []
        self.quota: int | None = None
        """Requests a minute."""
        self.is_judged = True
        """Whether what is answered is held against the description."""
        self.do(self._open())
        self.gpus = list(CATALOG)
        return self

    def __exit__(self, *_: object) -> None:
        self.do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSING_S)
        self._loop.close()

    @property
    def environment_variables(self) -> dict[str, str]:
        """What sends a client here."""
        return {
            "PLEXCTL_RUNPOD_URL": self.url,
            "RUNPOD_API_BASE_URL": self.url,
            "PLEXCTL_RUNPOD_PROXY": f"{self.url}/proxy/{{pod_id}}-{{port}}",
            "RUNPOD_API_KEY": self.key,
        }

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something in the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_CLOSING_S)

    def named(self, name: str) -> list[Pod]:
        """Return the pods of a name."""
        return [pod for pod in self.pods.values() if pod.name == name]

    def fail(self, operation: str, status: int, detail: str = "", **more: Any) -> None:
        """Let something go wrong from now on; `more` is whatever else a Fault has."""
        self.faults.append(Fault(operation, status, detail, **more))

    def accident(self, pod: Pod, status: str = "ERROR") -> None:
        """End a container behind everybody's back."""
        self.do(self.running.end(pod, status, is_accident=True))

    def operations(self) -> list[str]:
        """Return what was asked for so far, in order."""
        return [one.operation for one in self.seen]

    async def _open(self) -> None:
        self.running = Running(self)
        self.logs, self.proxy = Logs(self.running), Proxy(self.running)
        self.calls = Operations(self, self.running)
        server = web.Application(client_max_size=8 << 20)
        route = server.router.add_route
        route("*", "/proxy/{pod}-{port}/{path:.*}", self._proxied)
        route("POST", "/graphql", self._served("graphql", self._graphql))
        route("GET", "/v2/pods", self._served("list", self._list))
        route("POST", "/v2/pods", self._served("create", self._create))
        route("GET", "/v2/pods/{id}", self._served("get", self._get))
        route("PATCH", "/v2/pods/{id}", self._served("update", self._update))
        route("DELETE", "/v2/pods/{id}", self._served("delete", self._delete))
        route("POST", "/v2/pods/{id}/action", self._served("action", self._action))
        route("GET", "/v2/pods/{id}/logs", self._served("logs", self._log))
        route("GET", "/v2/catalog/gpus", self._served("catalog", self._catalog))
        route("GET", "/v2/network-volumes/{id}", self._served("volume", self._volume))
        route("GET", "/v2/registries/{id}", self._served("registry", self._registry))
        self._runner = web.AppRunner(server, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = self.running.api = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _close(self) -> None:
        self.logs.closing = True
        await self.running.close()
        await self._runner.cleanup()
        await self.proxy.close()

    def _served(
        self, operation: str, handler: Callable[[web.Request], Awaitable[Answer | web.StreamResponse]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Wrap an operation: who asks, how often, what goes wrong, and what is remembered of it."""

        async def serve(request: web.Request) -> web.StreamResponse:
            text = await request.text()
            name = json.loads(text).get("action", operation) if operation == "action" and text else operation
            refused = self._refusal(request, operation) or self._over_quota()
            seen = Seen(self.clock.now(), name, request.method, request.path_qs, dict(request.headers), text)
            self.seen.append(seen)
            fault = None if refused else self._fault(name)
            if refused or (fault and not fault.after):
                said: Answer | web.StreamResponse = refused or (0, None)
            else:
                said = await handler(request)
            answer = self._faulty(fault, request) if fault else self._written(name, said)
            seen.status = answer.status
            return answer

        return serve

    def _refusal(self, request: web.Request, operation: str) -> Answer | None:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        own = f"pod-key-{request.match_info.get('id')}"
        if token == self.key or (token == own and operation == "delete" and self.running.pod_key_is_good):
            return None
        if token.startswith("pod-key-"):
            return problem(403, "access denied")
        return problem(401, "missing bearer token" if not token else "invalid API key")

    def _over_quota(self) -> Answer | None:
        if self.quota is None or self._left() > 0:
            return None
        return problem(429, "rate limit exceeded for the minute window")

    def _left(self) -> int:
        """Return how many requests the running minute has left."""
        window = self.clock.now() // 60
        return (self.quota or 0) - sum(one.at // 60 == window and one.status != 429 for one in self.seen)

    def _fault(self, operation: str) -> Fault | None:
        found = next((fault for fault in self.faults if fault.strikes(operation)), None)
        return found or (self.chaos.draw(operation) if self.chaos else None)

    def _faulty(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        if fault.status == DROPPED:
            assert request.transport is not None
            request.transport.close()
            return web.Response(status=500)
        if fault.plain:
            return web.Response(status=fault.status, text="upstream said no", headers=fault.headers)
        return self._written("", problem(fault.status, fault.detail), dict(fault.headers))

    def _written(
        self, operation: str, said: Answer | web.StreamResponse, headers: dict[str, str] | None = None
    ) -> web.StreamResponse:
        if isinstance(said, web.StreamResponse):
            return said
        status, body = said
        headers = self._limits(status) | (headers or {})
        if body is None:
            return web.Response(status=status, headers=headers)
        schema = "ErrorResponse" if status >= 400 else _SCHEMAS.get(operation)
        # A status that nobody documents, and a pod without a GPU, which is reported and not described.
        is_odd = not self.is_judged or any(pod.forced or not pod.gpus for pod in self.pods.values())
        wrong = judge(schema, body) if schema and not is_odd else []
        assert not wrong, f"the loopback RunPod would answer what RunPod cannot: {operation}: {wrong}"
        kind = "application/problem+json" if status >= 400 else "application/json"
        return web.Response(status=status, text=json.dumps(body), content_type=kind, headers=headers)

    def _limits(self, status: int) -> dict[str, str]:
        if self.quota is None:
            return {}
        reset_s = 60 - int(self.clock.now() % 60)
        left = max(self._left(), 0)
        told = {"RateLimit": f'"minute";r={left};t={reset_s}', "RateLimit-Policy": f'"minute";q={self.quota};w=60'}
        return told | ({"Retry-After": str(reset_s)} if status == 429 else {})

    def _pod(self, request: web.Request) -> Pod | None:
        return self.pods.get(unquote(request.match_info["id"]))

    async def _list(self, _: web.Request) -> Answer:
        return 200, {"pods": [self.shown(pod) for pod in self.listed()]}

    async def _create(self, request: web.Request) -> Answer:
        return await self.calls.create(await request.json())

    async def _get(self, request: web.Request) -> Answer:
        pod = self._pod(request)
        return problem(404, "pod not found") if pod is None else (200, self.shown(pod))

    async def _update(self, request: web.Request) -> Answer:
        pod = self._pod(request)
        return problem(404, "pod not found") if pod is None else await self.calls.patch(pod, await request.json())

    async def _delete(self, request: web.Request) -> Answer:
        pod = self._pod(request)
        return problem(404, "pod not found") if pod is None else await self.calls.delete(pod)

    async def _action(self, request: web.Request) -> Answer:
        pod = self._pod(request)
        return problem(404, "pod not found") if pod is None else await self.calls.act(pod, await request.json())

    async def _log(self, request: web.Request) -> Answer | web.StreamResponse:
        pod = self._pod(request)
        return problem(404, "pod not found") if pod is None else await self.logs.stream(pod, request)

    async def _catalog(self, request: web.Request) -> Answer:
        has_stock = request.query.get("include") == "AVAILABILITY"
        if has_stock != ("product" in request.query):
            return problem(400, "include=AVAILABILITY and product go together")
        return 200, {"gpus": [gpu.shown(with_stock=has_stock) for gpu in self.gpus]}

    async def _volume(self, request: web.Request) -> Answer:
        found = self.volumes.get(request.match_info["id"])
        return (200, found) if found else problem(404, "network volume not found")

    async def _registry(self, request: web.Request) -> Answer:
        found = self.registries.get(request.match_info["id"])
        return (200, found) if found else problem(404, "registry not found")

    async def _graphql(self, request: web.Request) -> Answer:
        query = (await request.json())["query"]
        if "gpuTypes" in query:
            return 200, {"data": {"gpuTypes": [{"id": one.id, "secureSpotPrice": one.spot} for one in self.gpus]}}
        if "spendLimit" in query and self.spend_limit is None:
            return 200, {"errors": [{"message": 'Cannot query field "spendLimit" on type "User".'}]}
        spent = sum(usd for _, _, usd in self.billing())
        money = {"clientBalance": self.balance, "currentSpendPerHr": spent, "spendLimit": self.spend_limit}
        return 200, {"data": {"myself": {name: value for name, value in money.items() if name in query}}}

    async def _proxied(self, request: web.Request) -> web.StreamResponse:
        return await self.proxy.answer(self.pods.get(request.match_info["pod"]), request)


CATALOG = (
    Gpu("NVIDIA GeForce RTX 4090", "RTX 4090", 24, 0.69, 0.34, {"EU-RO-1": "LOW", "US-KS-2": "HIGH"}, spot=0.3),
    Gpu("NVIDIA L4", "L4", 24, 0.43, 0, {"EU-SE-1": "MEDIUM", "EU-CZ-1": "NONE"}),
    Gpu("NVIDIA A40", "A40", 48, 0.4, 0.35, {"EU-SE-1": "NONE"}),
    Gpu("NVIDIA H100 80GB HBM3", "H100 SXM", 80, 2.99, 2.69, {"US-KS-2": "HIGH"}),
    Gpu("NVIDIA GeForce RTX 5090", "RTX 5090", 32, 0.94, 0.69, {"EU-RO-1": "HIGH"}, cuda={"12.4": True, "12.8": False}),
    Gpu("Some Future GPU", "Future", 96, 0.1, 0.1, {"EU-RO-1": "HIGH"}),
)
"""In stock and not, in several places, with a driver too old for its image, and one that plexctl does not know."""
