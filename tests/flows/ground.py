"""A provider of the tests' own whose deployments are on machines that must boot, and are reached through ssh alone.

Its tunnel leads to the same stand-in for a gateway as the sky's; what is recorded is the address on the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
from tests.flows.sky import Sky, SkyProvider

from plexctl.contract import Capabilities, DeploymentJournal, Provider
from plexctl.errors import NotFoundError
from plexctl.model import Deployment, Endpoint, GpuUse, Plan, Ref, Removal, Resource, Status
from plexctl.states import State

ON_THE_HOST = Endpoint("http://127.0.0.1:8998", "ws://127.0.0.1:8998/api/chat", "ssh")
GPU = GpuUse("NVIDIA L40S", 20_480, 46_068, 35, 61)


@dataclass
class Ground(Sky):
    """The machines, and how long they take."""

    stages: list[str] = field(default_factory=lambda: ["booting", "packages"])
    """What a machine has yet to do, one for each time that somebody proceeds."""
    opened: list[str] = field(default_factory=list)
    """Labels of the deployments to which a tunnel was opened, in order."""
    open_now: int = 0
    moments: list[int] = field(default_factory=list)
    """How many tunnels were open whenever something was destroyed."""
    stop_ends_it: bool = False


class GroundProvider(SkyProvider):
    """The adapter; each ground has a class of its own."""

    sky: ClassVar[Ground]

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Order the machine, or know it again."""
        self.sky.may("apply")
        ref, body = journal.ref, msgspec.json.encode(plan.resources[0].body)
        changed = ref.label not in self.sky.apps
        if changed:
            journal.created(journal.intend("instance", ref.label), "instance-1")
            self.sky.mutations.append(f"create {ref.label}")
        self.sky.apps[ref.label] = body
        return Deployment(journal.ref, None, changed)

    def proceed(self, plan: Plan, journal: DeploymentJournal) -> Status:
        """Do the next stage; the last one tells where the gateway is."""
        del plan
        self.sky.may("proceed")
        if self.sky.stages:
            return Status(State.CREATING, detail=self.sky.stages.pop(0))
        journal.created(journal.intend("host-files", journal.ref.label), "files-1")
        return Status(State.LOADING, ON_THE_HOST, "started")

    def status(self, ref: Ref) -> Status:
        """Say how far the machine is."""
        self.sky.may("status")
        if ref.label not in self.sky.apps:
            return Status(State.MISSING, detail="gone")
        if self.sky.stages:
            return Status(State.CREATING, detail=self.sky.stages[0])
        return Status(State.LOADING, ON_THE_HOST, "running", (GPU,))

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """End the machine."""
        del everything
        self.sky.may("destroy")
        self.sky.moments.append(self.sky.open_now)
        found = self.sky.apps.pop(ref.label, None)
        return Removal(() if found is None else (Resource("instance", ref.label, "instance-1"),))

    @contextmanager
    def tunnel(self, ref: Ref) -> Iterator[Endpoint]:
        """Lead to the stand-in."""
        self.sky.may("tunnel")
        self.sky.opened.append(ref.label)
        self.sky.open_now += 1
        try:
            yield self.sky.endpoint
        finally:
            self.sky.open_now -= 1

    def shell(self, ref: Ref) -> tuple[str, ...]:
        """Log in to the machine."""
        if ref.label not in self.sky.apps:
            raise NotFoundError(f"{ref.name} has no host to log in to")
        return ("ssh", "-p", "22", f"ubuntu@{ref.name}.example")

    def holdings(self, ref: Ref) -> list[str]:
        """Name what lies there."""
        self.sky.may("holdings")
        return ["/opt/plexctl", "/etc/systemd/system/plexctl.service"] if ref.label in self.sky.apps else []


def ground_adapter(ground: Ground) -> type[Provider]:
    """Return the adapter's class for this ground."""
    capabilities = Capabilities(follows_logs=True, runs_without_gpu=True, stop_ends_it=ground.stop_ends_it)
    return type("GroundProvider", (GroundProvider,), {"sky": ground, "capabilities": capabilities})
