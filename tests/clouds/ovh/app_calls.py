"""The operations on apps of AI Deploy."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from tests.clouds.ovh.door import Answer, problem
from tests.clouds.ovh.judge import AI_DEPLOY, judge
from tests.clouds.ovh.running import Running
from tests.clouds.ovh.state import AI_REGIONS, App, State

_GPUS = {"l4-1-gpu": ("L4", 24), "h100-1-gpu": ("H100", 80)}


class AppCalls:
    """`/cloud/project/{project}/ai`."""

    def __init__(self, state: State, running: Running) -> None:
        self._state = state
        self._running = running

    def regions(self) -> Answer:
        """`GET .../ai/capabilities/region`."""
        return 200, [
            {"id": region, "cliInstallUrl": "", "documentationUrl": "", "version": "1"} for region in AI_REGIONS
        ]

    def flavours(self) -> Answer:
        """`GET .../ai/capabilities/region/{region}/flavor`."""
        rows = []
        for name in self._state.ai_flavours:
            model, memory = _GPUS.get(name, (None, None))
            gpu = {"gpuBrand": "NVIDIA" if model else None, "gpuModel": model, "gpuMemory": memory and memory << 30}
            rows.append({"id": name, "type": "gpu" if model else "cpu", "max": 4, "default": False,
                         "description": name, "gpuInformation": gpu, "resourcesPerUnit": {"cpu": 12}})  # fmt: skip
        for row in rows:
            assert judge(AI_DEPLOY, "Flavor", row) == []
        return 200, rows

    def quota(self) -> Answer:
        """`GET .../ai/capabilities/quota`."""
        return 200, {"resources": self._state.ai_quota, "storage": 10**12}

    def all(self) -> Answer:
        """`GET .../ai/app`."""
        return 200, [self.shown(app) for app in self._state.apps.values()]

    def create(self, body: dict[str, Any]) -> Answer:
        """`POST .../ai/app`; the region is the main API's own field."""
        state = self._state
        wrong = judge(AI_DEPLOY, "AppSpec", body, beside=("region",))
        if wrong:
            return problem(400, f"invalid app: {wrong[0]}")
        if body.get("region") not in AI_REGIONS:
            return problem(400, "unknown region")
        if body["resources"]["flavor"] not in state.ai_flavours:
            return problem(400, f"flavor {body['resources']['flavor']} is not available")
        used = sum(app.is_up for app in state.apps.values())
        if used >= state.ai_quota["GPU"]:
            return problem(403, "GPU quota exceeded for this project", "FORBIDDEN")
        app = App(state.new_id(), body, state.clock.now())
        with state.lock:
            state.apps[app.id] = app
            state.note("create", "app", app.name)
        self._running.begin(app)
        return 200, self.shown(app)

    def get(self, app: App) -> Answer:
        """`GET .../ai/app/{id}`."""
        return 200, self.shown(app)

    async def start(self, app: App) -> Answer:
        """`PUT .../start`: its address stays."""
        if app.state not in {"STOPPED", "FAILED", "ERROR"}:
            return problem(400, f"app is {app.state}")
        self._state.note("start", "app", app.name)
        app.state, app.born, app.forced = "QUEUED", self._state.clock.now(), None
        self._running.begin(app)
        return 204, None

    async def stop(self, app: App) -> Answer:
        """`PUT .../stop`."""
        if not app.is_up:
            return problem(400, f"app is {app.state}")
        self._state.note("stop", "app", app.name)
        await self._running.end(app, "STOPPED")
        return 204, None

    async def delete(self, app: App, *, force: bool) -> Answer:
        """`DELETE .../ai/app/{id}`: one that runs only by force."""
        if app.is_up and not force:
            return problem(409, "app must be stopped first")
        if self._state.keeps_deleted:
            self._state.keeps_deleted -= 1
            return 204, None
        with self._state.lock:
            self._state.apps.pop(app.id, None)
            self._state.note("delete", "app", app.name)
        await self._running.end(app, "DELETED")
        return 204, None

    async def log(self, app: App, page: int, size: int) -> Answer:
        """`GET .../log`, page by page."""
        await self._running.want(app)
        rows = [
            {"id": number, "timestamp": datetime.fromtimestamp(at, UTC).isoformat(), "content": text}
            for number, (at, text) in enumerate(app.lines)
        ]
        return 200, {"lines": rows[(page - 1) * size : page * size], "lastActivity": None}

    def shown(self, app: App) -> dict[str, Any]:
        """Return an app as the API does, its variables in the clear."""
        told = {
            "id": app.id,
            "createdAt": app.created,
            "updatedAt": "2026-11-22T00:00:00Z",
            "user": "loopback",
            "spec": app.body,
            "status": {
                "state": app.forced or app.state,
                "url": f"{self._running.address}/proxy/{app.id}-8998",
                "availableReplicas": int(app.state == "RUNNING"),
                "info": {"code": "", "message": ""},
                "history": [],
            },
        }
        assert judge(AI_DEPLOY, "App", told) == [], "the loopback would answer what OVHcloud cannot"
        return told
