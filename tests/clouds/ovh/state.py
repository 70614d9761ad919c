"""What there is at the loopback OVHcloud: flavours, images, keys, instances, operations and apps."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from threading import RLock
from typing import TYPE_CHECKING, Any
from uuid import UUID

from tests.clouds.runpod.state import Clock

if TYPE_CHECKING:
    from tests.machines.machine import Machine

PROJECT = "0123456789abcdef0123456789abcdef"
REGIONS = ("GRA11", "DE1")
AI_REGIONS = ("GRA", "BHS")
IMAGES = ("Ubuntu 22.04", "Ubuntu 24.04", "Debian 12")
USERS = {"Ubuntu 22.04": "ubuntu", "Ubuntu 24.04": "ubuntu", "Debian 12": "debian"}


@dataclass
class Flavour:
    """A size of instances in a region."""

    id: str
    name: str
    region: str
    ram: int
    vcpus: int
    available: bool = True
    quota: int = 5

    def shown(self) -> dict[str, Any]:
        """Return it as `GET .../flavor` does."""
        fixed = {"osType": "linux", "type": "ovh.ssd.eg", "disk": 100, "capabilities": [], "inboundBandwidth": None}
        plans = {"hourly": f"{self.name}.consumption", "monthly": None, "license": None}
        own = {"id": self.id, "name": self.name, "region": self.region, "ram": self.ram, "vcpus": self.vcpus}
        return fixed | own | {"available": self.available, "quota": self.quota, "planCodes": plans}


@dataclass
class Instance:
    """One instance, from its create to its end."""

    id: str
    body: dict[str, Any]
    region: str
    born: float
    status: str = "BUILD"
    machine: Machine | None = None
    address: str = ""
    forced: str | None = None
    """A status told instead of the true one."""

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.body.get("name", ""))

    @property
    def is_up(self) -> bool:
        """Whether it is billed as a running one."""
        return (self.forced or self.status) in {"BUILD", "ACTIVE", "SHUTOFF", "UNSHELVING", "SHELVING"}

    def shown(self) -> dict[str, Any]:
        """Return it as the API does."""
        addresses = [{"ip": self.address, "version": 4}] if self.address else []
        return {
            "id": self.id,
            "name": self.name,
            "region": self.region,
            "flavorId": self.body["flavor"]["id"],
            "imageId": self.body["bootFrom"].get("imageId"),
            "status": self.forced or self.status,
            "sshKey": (self.body.get("sshKey") or {}).get("name", ""),
            "addresses": addresses,
            "attachedVolumes": [],
        }


@dataclass
class Operation:
    """What a create of an instance answers; `ready_at` is when it tells what it made."""

    id: str
    instance: Instance | None
    ready_at: float
    status: str = "in-progress"

    def shown(self, now: float) -> dict[str, Any]:
        """Return it; what was made is told by the operation that it is made of."""
        made = self.instance.id if self.instance and now >= self.ready_at else None
        status = "completed" if made and self.status == "in-progress" else self.status
        part = {"id": f"{self.id}-1", "action": "instance#create", "status": status, "resourceId": made}
        return {"id": self.id, "action": "instance#create", "status": status, "progress": 100 if made else 0,
                "regions": [], "resourceId": None, "subOperations": [part]}  # fmt: skip


@dataclass
class App:
    """One app of AI Deploy."""

    id: str
    body: dict[str, Any]
    born: float
    state: str = "QUEUED"
    port: int = 0
    forced: str | None = None
    lines: list[tuple[float, str]] = field(default_factory=list)
    """Time and text of its log."""
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat())

    @property
    def name(self) -> str:
        """Return its name."""
        return str(self.body.get("name", ""))

    @property
    def is_up(self) -> bool:
        """Whether it is billed, or will be in a moment."""
        return (self.forced or self.state) in {"QUEUED", "INITIALIZING", "SCALING", "RUNNING"}


@dataclass
class State:
    """Everything, under one lock."""

    clock: Clock = field(default_factory=Clock)
    lock: RLock = field(default_factory=RLock)
    projects: list[str] = field(default_factory=lambda: [PROJECT])
    flavours: list[Flavour] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    apps: dict[str, App] = field(default_factory=dict)
    ai_quota: dict[str, int] = field(default_factory=lambda: {"GPU": 4, "CPU": 12})
    ai_flavours: list[str] = field(default_factory=lambda: ["l4-1-gpu", "h100-1-gpu", "ai1-1-cpu"])
    keeps_deleted: int = 0
    """Deletes to come that are answered as done and do nothing."""
    mutations: list[str] = field(default_factory=list)
    build_s: float = 0.2
    """How long an instance builds; without a machine, that is all."""
    operation_s: float = 0.05
    """How long an operation does not tell what it makes."""
    changes_host_keys: bool = False
    """Whether instances show another host key than their user data says."""
    is_in_error: bool = False
    """Whether the next operations fail."""
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        """Fill the shelves: in stock and out of it, with a quota and without."""
        sizes = [("d2-2", 2000, 1), ("b3-8", 8000, 2), ("l4-90", 90000, 22), ("l40s-90", 90000, 15)]
        sizes += [("a100-180", 180000, 15), ("l4-180", 180000, 45)]
        for region in REGIONS:
            self.flavours += [Flavour(self.new_id(), name, region, ram, vcpus) for name, ram, vcpus in sizes]
            self.images += [
                {"id": self.new_id(), "name": name, "region": region, "status": "active", "type": "linux",
                 "user": USERS[name], "visibility": "public", "minDisk": 0, "minRam": 0, "size": 2.5,
                 "flavorType": None, "planCode": None, "tags": [], "creationDate": "2026-09-01T00:00:00Z"}
                for name in IMAGES
            ]  # fmt: skip
        for flavour in self.flavours:
            flavour.available = (flavour.name, flavour.region) not in {("a100-180", "GRA11"), ("l40s-90", "DE1")}

    def new_id(self) -> str:
        """Return an id like OVHcloud's."""
        return str(UUID(int=next(self._numbers)))

    def note(self, verb: str, kind: str, name: str) -> None:
        """Record a change."""
        self.mutations.append(f"{verb} {kind} {name}")

    def flavour(self, name: str, region: str = REGIONS[0]) -> Flavour:
        """Return a flavour by its name."""
        return next(one for one in self.flavours if (one.name, one.region) == (name, region))
