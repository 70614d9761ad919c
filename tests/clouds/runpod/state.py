"""What there is at the loopback RunPod: pods, their lives and books, volumes, registries, secrets, a catalogue."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from threading import RLock
from typing import Any

_IDS = "abcdefghijklmnopqrstuvwxyz0123456789"
STORAGE_USD_PER_GB_HOUR = 0.0002
_ACTIONS = {
    "PROVISIONING": ["stop", "terminate"],
    "STARTING": ["stop", "terminate"],
    "RUNNING": ["stop", "restart", "terminate"],
    "EXITED": ["start", "terminate"],
    "ERROR": ["start", "terminate"],
}
"""As the description of `actionPod` says."""
UP = ("PROVISIONING", "STARTING", "RUNNING")


class Clock:
    """Time that also passes when somebody sleeps by it; nobody waits for that."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now(self) -> float:
        """Return seconds of a monotonic clock."""
        return time.monotonic() + self._ahead_s

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self._ahead_s

    def sleep(self, seconds: float) -> None:
        """Let time pass at once."""
        self._ahead_s += seconds


@dataclass
class Line:
    """One line of a pod's log."""

    number: int
    at: float
    source: str
    text: str

    @property
    def ts(self) -> str:
        """Return its time as the API writes it."""
        return datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

    @property
    def id(self) -> str:
        """Return its id, as in the description's example."""
        return f"{self.ts}/{self.number:012d}"


@dataclass
class Pod:
    """One pod, from its create to its end."""

    id: str
    body: dict[str, Any]
    born: float
    """By the monotonic clock; of its last start."""
    created_at: float
    status: str = "PROVISIONING"
    started_at: float | None = None
    runs_since: float | None = None
    port: int = 0
    """Where its gateway listens."""
    gpus: int = 1
    forced: str | None = None
    """A status told instead of the true one."""
    lines: list[Line] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.body["name"])

    @property
    def is_up(self) -> bool:
        """Whether it is billed as a running one."""
        return self.status in UP

    def say(self, source: str, text: str, at: float) -> None:
        """Add a line to its log; times never go back."""
        latest = self.lines[-1].at if self.lines else 0.0
        self.lines.append(Line(len(self.lines) + 1, max(at, latest), source, text))


@dataclass
class Gpu:
    """One row of the catalogue. `places` is data centre to stock."""

    id: str
    name: str
    memory: int
    secure: float
    community: float
    places: dict[str, str]
    cuda: dict[str, bool] = field(default_factory=lambda: {"12.4": True, "12.8": True})
    spot: float | None = None

    def shown(self, *, with_stock: bool) -> dict[str, Any]:
        """Return it as `GET /v2/catalog/gpus` does."""
        levels = [level for level in ("HIGH", "MEDIUM", "LOW") if level in self.places.values()]
        stock: dict[str, Any] = {"availability": levels[0] if levels else "NONE"}
        if self.places:
            centers = [{"id": one, "name": one, "availability": level} for one, level in self.places.items()]
            versions = [{"version": version, "available": free} for version, free in self.cuda.items()]
            stock |= {"dataCenters": centers, "cudaVersions": versions}
        return {
            "id": self.id,
            "name": self.name,
            "pool": None,
            "manufacturer": "NVIDIA",
            "memory": self.memory,
            "secure": self.secure > 0,
            "community": self.community > 0,
            "price": {"secure": self.secure, "community": self.community},
            "maxCount": {"secure": 8, "community": 4},
        } | (stock if with_stock else {})


@dataclass
class State:
    """Everything, under one lock."""

    clock: Clock = field(default_factory=Clock)
    lock: RLock = field(default_factory=RLock)
    key: str = "rp-loopback-key"
    pods: dict[str, Pod] = field(default_factory=dict)
    volumes: dict[str, dict[str, Any]] = field(default_factory=dict)
    registries: dict[str, dict[str, Any]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    """The console's: what `{{ RUNPOD_SECRET_x }}` is resolved from."""
    gpus: list[Gpu] = field(default_factory=list)
    balance: float = 50.0
    spend_limit: float | None = 80.0
    """None: GraphQL knows no such field."""
    has_gpu_at_start: bool | None = True
    """Whether a stopped pod finds its GPU free; None: it starts without one."""
    appears_after_s: float = 0.0
    """How long the list does not show a new pod."""
    actions: dict[str, list[str]] = field(default_factory=lambda: dict(_ACTIONS))
    """What each status allows."""
    keeps_deleted: int = 0
    """Deletes to come that are answered as done and do nothing."""
    mutations: list[str] = field(default_factory=list)
    _random: Random = field(default_factory=lambda: Random(6))  # noqa: S311 - ids, the same each time

    def new_id(self) -> str:
        """Return an id like RunPod's."""
        return "".join(self._random.choice(_IDS) for _ in range(14))

    def note(self, verb: str, pod: Pod) -> None:
        """Record a change."""
        self.mutations.append(f"{verb} pod {pod.name}")

    def price_of(self, pod: Pod) -> float:
        """Return USD per hour while it is up."""
        gpu = next((one for one in self.gpus if one.id == pod.body["gpu"]["id"]), None)
        if gpu is None:
            return 0.0
        price = gpu.community if pod.body.get("cloud") == "COMMUNITY" else gpu.secure
        return price * int(pod.body["gpu"].get("count", 1))

    def listed(self) -> list[Pod]:
        """Return the pods that the list shows by now."""
        latest = self.clock.wall() - self.appears_after_s
        return [pod for pod in list(self.pods.values()) if pod.created_at <= latest]

    def billing(self) -> list[tuple[str, str, float]]:
        """Return what bills now: the pod's name, for what, and USD per hour."""
        found = []
        for pod in self.pods.values():
            if pod.is_up:
                found.append((pod.name, "running", self.price_of(pod)))
            size = pod.body.get("disk", 10) + pod.body.get("mounts", {}).get("persistent", {}).get("size", 0)
            found.append((pod.name, "storage", size * STORAGE_USD_PER_GB_HOUR))
        return found

    def shown(self, pod: Pod) -> dict[str, Any]:
        """Return a pod as the API does, its environment in the clear."""
        body, status = pod.body, pod.forced or pod.status
        return {
            "id": pod.id,
            "name": pod.name,
            "image": body["image"],
            "args": body.get("args", ""),
            "disk": body.get("disk", 10),
            "ports": body.get("ports", []),
            "env": body.get("env", {}),
            "registry": body.get("registry"),
            "status": status,
            "actions": self.actions.get(status, []),
            "mounts": body.get("mounts", {}),
            "gpu": {"id": body["gpu"]["id"], "count": pod.gpus},
            "cloud": body.get("cloud", "SECURE"),
            "dataCenterId": self._place(pod),
            "cudaVersion": "12.8",
            "ssh": {"proxy": None, "direct": None},
            "template": None,
            "cost": self.price_of(pod) if status in UP else 0.0,
            "locked": False,
            "globalNetworking": {"enabled": False},
            "runtime": self._runtime(pod) if status == "RUNNING" else None,
            "createdAt": _rfc3339(pod.created_at),
            "startedAt": _rfc3339(pod.started_at) if pod.started_at else None,
        }

    def _place(self, pod: Pod) -> str:
        gpu = next((one for one in self.gpus if one.id == pod.body["gpu"]["id"]), None)
        wished = pod.body.get("dataCenterIds") or list(gpu.places if gpu else ())
        return str(wished[0]) if wished else "US-KS-2"

    def _runtime(self, pod: Pod) -> dict[str, Any] | None:
        """Return the runtime; None for the moment after RUNNING, in which the metrics have not come."""
        if pod.runs_since is None or self.clock.now() < pod.runs_since + RUNTIME_AFTER_S:
            return None
        ports: list[dict[str, Any]] = []
        for one in pod.body.get("ports", []):
            private, _, kind = one.partition("/")
            public = pod.port if kind == "tcp" else None
            ports.append(
                {"private": int(private), "public": public, "type": kind, "ip": "127.0.0.1" if public else None}
            )
        uptime = int(self.clock.now() - pod.runs_since)
        return {"uptime": uptime, "gpus": [{"util": 0, "memoryUtil": 0}] * pod.gpus, "ports": ports}


RUNTIME_AFTER_S = 0.05


def _rfc3339(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
