"""The operations on pods: what each does, and what it is refused for."""

from __future__ import annotations

import re
from typing import Any

from tests.clouds.runpod.faults import FULL, NO_GPU
from tests.clouds.runpod.judge import judge
from tests.clouds.runpod.running import Running
from tests.clouds.runpod.state import Pod, State

Answer = tuple[int, Any]
_SECRET = re.compile(r"\{\{\s*RUNPOD_SECRET_(\w+)\s*\}\}")


def problem(status: int, detail: str, errors: list[str] | None = None) -> Answer:
    """Return an error as the API's `application/problem+json`."""
    titles = {400: "Bad Request", 401: "Unauthorized", 402: "Payment Required", 403: "Forbidden", 404: "Not Found"}
    titles |= {409: "Conflict", 422: "Unprocessable Entity", 429: "Too Many Requests"}
    body = {"title": titles.get(status, "Internal Server Error"), "status": status, "detail": detail}
    return status, body | ({"errors": errors} if errors else {})


class Operations:
    """The pods of REST v2."""

    def __init__(self, state: State, running: Running) -> None:
        self._state = state
        self._running = running

    async def create(self, body: dict[str, Any]) -> Answer:
        """`POST /v2/pods`: one GPU kind, no fallback, names need not be unique."""
        state = self._state
        wrong = judge("CreatePodRequest", body)
        if wrong:
            return problem(422, "Request validation failed.", wrong)
        if state.balance <= 0:
            return problem(402, "Insufficient balance to create the pod.")
        refused = self._rules(body) or self._stock(body)
        if refused:
            return problem(400, refused)
        pod = Pod(state.new_id(), body, state.clock.now(), state.clock.wall())
        with state.lock:
            state.pods[pod.id] = pod
            state.note("create", pod)
        pod.say("system", "create pod: pulling image", state.clock.wall())
        self._running.begin(pod)
        return 201, state.shown(pod)

    async def patch(self, pod: Pod, body: dict[str, Any]) -> Answer:
        """`PATCH /v2/pods/{id}`: what is named is changed."""
        wrong = judge("UpdatePodRequest", body)
        if wrong:
            return problem(422, "Request validation failed.", wrong)
        with self._state.lock:
            pod.body = {**pod.body, **body}
            self._state.note("update", pod)
        return 200, self._state.shown(pod)

    async def act(self, pod: Pod, body: dict[str, Any]) -> Answer:
        """`POST /v2/pods/{id}/action`: 409 for what the status does not allow."""
        wrong = judge("PodActionRequest", body)
        if wrong:
            return problem(422, "Request validation failed.", wrong)
        action, state = body["action"], self._state
        if action == "terminate":
            return await self.delete(pod)
        if action not in state.shown(pod)["actions"]:
            return problem(409, f"action {action} is not valid for status {pod.status}")
        if action == "start":
            if state.has_gpu_at_start is False:
                return problem(400, NO_GPU)
            pod.gpus = 0 if state.has_gpu_at_start is None else pod.body["gpu"].get("count", 1)
        with state.lock:
            state.note(action, pod)
        if action in ("stop", "restart"):
            await self._running.end(pod, "EXITED")
        if action in ("start", "restart"):
            pod.born, pod.status = state.clock.now(), "PROVISIONING" if action == "start" else "STARTING"
            self._running.begin(pod)
        return 200, state.shown(pod)

    async def delete(self, pod: Pod) -> Answer:
        """`DELETE /v2/pods/{id}`: the pod, its disk and volume are gone; a network volume stays."""
        state = self._state
        if state.keeps_deleted:
            state.keeps_deleted -= 1
            return 204, None
        with state.lock:
            if state.pods.pop(pod.id, None) is None:
                return problem(404, "pod not found")
            state.note("delete", pod)
        await self._running.end(pod, "TERMINATED")
        return 204, None

    def _rules(self, body: dict[str, Any]) -> str | None:
        mounts = body.get("mounts", {})
        if "persistent" in mounts and "network" in mounts:
            return "mounts: persistent and network are mutually exclusive"
        for mount in mounts.get("network", ()):
            volume = self._state.volumes.get(mount["volumeId"])
            if volume is None:
                return f"network volume {mount['volumeId']} not found"
            if volume["dataCenter"] not in body.get("dataCenterIds", [volume["dataCenter"]]):
                return "network volume is in another data center"
        if body.get("registry") and body["registry"] not in self._state.registries:
            return "registry credential not found"
        unknown = [x for value in body.get("env", {}).values() for x in _SECRET.findall(value)]
        missing = [name for name in unknown if name not in self._state.secrets]
        return f"secret {missing[0]} not found" if missing else None

    def _stock(self, body: dict[str, Any]) -> str | None:
        """Return why it cannot be placed. Pinned to a data centre, the community cloud has nothing (runpodctl#326)."""
        gpu = next((one for one in self._state.gpus if one.id == body["gpu"]["id"]), None)
        if gpu is None:
            return f"unknown GPU type {body['gpu']['id']}"
        places = body.get("dataCenterIds")
        if body.get("cloud") == "COMMUNITY":
            return FULL if places or not gpu.community else None
        stock = [level for place, level in gpu.places.items() if not places or place in places]
        floor = _version(body["gpu"].get("minCudaVersion", "0.0"))
        has_driver = any(free and _version(version) >= floor for version, free in gpu.cuda.items())
        return None if has_driver and any(level != "NONE" for level in stock) else FULL


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))
