"""What there is in the account at the loopback Lambda, and how it is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from tests.clouds.vast.clock import Clock

REGIONS = {
    "us-east-1": "Virginia, USA",
    "us-west-1": "California, USA",
    "us-south-1": "Texas, USA",
    "europe-central-1": "Germany",
}
_DATE = "2026-11-20T10:00:00.000Z"
_USER = {"id": "3da5a70a57a7422ea8a7203f98b2198b", "email": "me@example.com", "status": "active"}
LISTED_S = 120.0
"""How long an instance that is gone can still be asked for by its id."""


class Machine(Protocol):
    """What an instance runs on."""

    @property
    def address(self) -> str:
        """Where its sshd listens on port 22."""

    def remove(self) -> None:
        """End it."""


@dataclass
class InstanceType:
    """One type, and where it has capacity."""

    name: str
    gpu: str
    cents: int
    gpus: int = 1
    regions: list[str] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Return it as the API tells it."""
        specs = {"vcpus": 30 * self.gpus, "memory_gib": 200 * self.gpus, "storage_gib": 1400, "gpus": self.gpus}
        about = {"description": f"{self.gpus}x {self.gpu}", "gpu_description": self.gpu}
        return {"name": self.name, **about, "price_cents_per_hour": self.cents, "specs": specs}


@dataclass
class Instance:
    """One instance, from its launch to its end."""

    id: str
    body: dict[str, Any]
    kind: InstanceType
    born: float
    forced: str | None = None
    """A status told instead of the true one."""
    ends_at: float | None = None
    """When its termination is done."""
    machine: Machine | None = None
    address: str | None = None
    systems: list[str] = field(default_factory=list)
    """Names of its file systems."""

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body.get("name", ""))


@dataclass
class State:
    """The account. Times are by `clock`."""

    clock: Clock = field(default_factory=Clock)
    key: str = "secret_loopback_0123456789"
    types: list[InstanceType] = field(default_factory=list)
    instances: dict[str, Instance] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    rulesets: dict[str, dict[str, Any]] = field(default_factory=dict)
    systems: dict[str, dict[str, Any]] = field(default_factory=dict)
    families: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Image family to its machines."""
    full: set[str] = field(default_factory=set)
    """Regions that refuse every launch, whatever is listed."""
    boot_s: float = 0.05
    end_s: float = 4.0
    boots: Callable[[Instance], Machine] | None = None
    """What starts an instance's machine; without it, instances have an address at which nobody is."""
    is_unhealthy: bool = False
    """Whether instances come up unhealthy."""
    keeps_terminated: int = 0
    """Terminations that are answered as done, and do nothing."""
    quota: int | None = None
    mutations: list[str] = field(default_factory=list)
    _random: Random = field(default_factory=lambda: Random(7))  # noqa: S311 - the same ids each time

    def new_id(self) -> str:
        """Return an id as Lambda's look."""
        return f"{self._random.getrandbits(128):032x}"

    def note(self, verb: str, kind: str, name: str) -> None:
        """Remember a change, in the plan's words."""
        self.mutations.append(f"{verb} {kind} {name}")

    def status_of(self, one: Instance) -> str:
        """Return what an instance is now."""
        now = self.clock.now()
        if one.ends_at is not None:
            return "terminated" if now >= one.ends_at else "terminating"
        if one.forced:
            return one.forced
        if now < one.born + self.boot_s or one.address is None:
            return "booting"
        return "unhealthy" if self.is_unhealthy else "active"

    def is_there(self, one: Instance) -> bool:
        """Tell whether anything of an instance is left, which bills."""
        return self.status_of(one) not in ("terminated", "preempted")

    def living(self) -> list[Instance]:
        """Return instances of which something is left."""
        return [one for one in self.instances.values() if self.is_there(one)]

    def shown(self, one: Instance) -> dict[str, Any]:
        """Return an instance as the API tells it."""
        status, body = self.status_of(one), one.body
        mounts = body.get("file_system_mounts", [])
        can = {"available": True}
        cannot = {"available": False, "reason_code": "vm-has-not-launched", "reason_description": "It boots."}
        actions = dict.fromkeys(("migrate", "rebuild", "restart", "cold_reboot"), can if status == "active" else cannot)
        token = "0" * 32
        told = {
            "id": one.id,
            "name": one.name,
            "status": status,
            "ssh_key_names": body["ssh_key_names"],
            "file_system_names": one.systems,
            "file_system_mounts": mounts,
            "region": region(body["region_name"]),
            "instance_type": one.kind.shown(),
            "hostname": one.id[:8],
            "jupyter_token": token,
            "jupyter_url": f"https://jupyter-{one.id}.lambdaspaces.com/?token={token}",
            "actions": {**actions, "terminate": can},
            "tags": body.get("tags", []),
            "firewall_rulesets": body.get("firewall_rulesets", []),
        }
        return told | ({"ip": one.address, "private_ip": "10.0.2.100"} if status != "booting" else {})

    def shown_ruleset(self, ruleset_id: str) -> dict[str, Any]:
        """Return a ruleset as the API tells it."""
        users = [one.id for one in self.living() if {"id": ruleset_id} in one.body.get("firewall_rulesets", [])]
        return {**self.rulesets[ruleset_id], "instance_ids": users}

    def shown_system(self, system_id: str) -> dict[str, Any]:
        """Return a file system as the API tells it."""
        one = self.systems[system_id]
        fixed = {"mount_point": f"/lambda/nfs/{one['name']}", "created": _DATE, "created_by": _USER}
        return {**one, **fixed, "is_in_use": self.is_mounted(system_id), "bytes_used": one.get("bytes_used", 0)}

    def is_mounted(self, system_id: str) -> bool:
        """Tell whether an instance has a file system."""
        return any(
            mount["file_system_id"] == system_id
            for one in self.living()
            for mount in one.body.get("file_system_mounts", [])
        )

    def shown_images(self) -> list[dict[str, Any]]:
        """Return every image of every region."""
        return [
            {
                "id": f"{family}-{place}-{machine}",
                "created_time": _DATE,
                "updated_time": _DATE,
                "name": f"{family}.1",
                "description": "Lambda Stack",
                "family": family,
                "version": "1",
                "architecture": machine,
                "region": region(place),
            }
            for family, machines in self.families.items()
            for machine in machines
            for place in REGIONS
        ]


def region(name: str) -> Mapping[str, str]:
    """Return a region as the API tells it."""
    return {"name": name, "description": REGIONS[name]}


def stock() -> list[InstanceType]:
    """Return what is sold: in one region, in two, in none, on aarch64, and a GPU that nobody knows."""
    return [
        InstanceType("gpu_1x_a10", "A10 (24 GB PCIe)", 86, regions=["us-east-1", "us-west-1"]),
        InstanceType("gpu_1x_h100_pcie", "H100 (80 GB PCIe)", 286, regions=["us-south-1", "us-west-1"]),
        InstanceType("gpu_8x_h100_sxm5", "H100 (80 GB SXM5)", 2632, gpus=8, regions=["us-south-1"]),
        InstanceType("gpu_1x_gh200", "GH200 (96 GB)", 171, regions=["us-east-1"]),
        InstanceType("gpu_1x_a6000", "A6000 (48 GB)", 92),
        InstanceType("gpu_1x_of_next_year", "N1 (999 GB)", 1, regions=["us-east-1"]),
    ]
