"""A provider of the tests' own that rents single machines, in memory: some are gone, some bad, some slow.

Every machine is a host with one offer; what becomes of a start there is its fate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar

import msgspec
from tests.flows.sky import READY

from plexctl.contract import Capabilities, Context, DeploymentJournal, Provider
from plexctl.errors import NoCapacityError
from plexctl.model import (
    Deployment,
    Endpoint,
    Finding,
    Kept,
    LogLine,
    Need,
    Offer,
    Plan,
    PlannedResource,
    Ref,
    Removal,
    Resource,
    Status,
    Step,
)
from plexctl.spec import Spec
from plexctl.states import State

BAD = Status(State.FAILED, None, "OCI runtime create failed: unsatisfied condition: cuda>=12.8")
NO_IMAGE = Status(State.FAILED, None, "manifest unknown")
STUCK = Status(State.CREATING, None, "the image is being pulled")
OUTBID = Status(State.STOPPED, None, "outbid")
GONE = "gone"
"""The fate of an offer that somebody else has taken since the search."""


@dataclass
class Market:
    """All machines, and the switches."""

    name: str
    hosts: dict[str, float] = field(default_factory=dict)
    """Host to its price in USD per hour."""
    fates: dict[str, Status | str | BaseException] = field(default_factory=dict)
    """Host to what becomes of a start: GONE, what status says, or what a create raises after it was done."""
    alive: dict[str, str] = field(default_factory=dict)
    """Label to the host that runs it, and bills."""
    details: dict[str, dict[str, str]] = field(default_factory=dict)
    """Label to what `find` tells of its machine besides."""
    keeps: bool = False
    """Whether a destroy leaves an image for the next deploy."""
    left: set[str] = field(default_factory=set)
    """Labels of which an image is left."""
    made: list[str] = field(default_factory=list)
    """Hosts on which something was made, in turn."""
    most_alive: int = 0
    needs: list[Need] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    fails: dict[str, BaseException] = field(default_factory=dict)
    """Method to what it raises."""
    health: Callable[[], dict[str, object] | None] = lambda: READY
    asked: int = 0
    tells_endpoint: Callable[[], bool] = lambda: True
    endpoint: Endpoint = field(init=False)

    def may(self, method: str) -> None:
        """Note the call; raise what the method is to raise."""
        self.calls.append(method)
        if method in self.fails:
            raise self.fails[method]

    def offer(self, host: str) -> Offer:
        """Return a host's offer."""
        return Offer(
            self.name, "RTX 4090", 1, "DE", self.hosts[host], f"{self.name}'s search", "2026-11-21", {"host": host}
        )


class Renting:
    """The adapter; each market has a class of its own."""

    market: ClassVar[Market]
    name: ClassVar[str]
    capabilities: ClassVar[Capabilities] = Capabilities(stop_keeps_disk=True, offers_are_stock=True)

    def __init__(self, context: Context) -> None:
        self._context = context

    def preflight(self, spec: Spec) -> list[Finding]:
        """Find nothing."""
        assert spec.provider == self.name
        self.market.may("preflight")
        return []

    def offers(self, need: Need) -> list[Offer]:
        """Return what nobody rents and is cheap enough."""
        self.market.may("offers")
        self.market.needs.append(need)
        limit = need.max_price_usd_per_hour
        free = [host for host in self.market.hosts if host not in self.market.alive.values()]
        return [self.market.offer(host) for host in free if limit is None or self.market.hosts[host] <= limit]

    def status(self, ref: Ref) -> Status:
        """Say what the host's fate is."""
        self.market.may("status")
        host = self.market.alive.get(ref.label)
        if host is None:
            return Status(State.MISSING, None, "no such machine")
        fate = self.market.fates.get(host)
        if isinstance(fate, Status):
            return fate
        if not self.market.tells_endpoint():
            return Status(State.CREATING, None, "its port is not mapped yet")
        return Status(State.LOADING, self.market.endpoint, "running")

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Yield nothing."""
        del ref, follow, since, tail
        yield from ()

    def find(self, name: str | None) -> list[Ref]:
        """Find what is there by its label."""
        self.market.may("find")
        found = [self._ref(label) for label in dict.fromkeys([*self.market.alive, *sorted(self.market.left)])]
        return [ref for ref in found if name in (None, ref.name)]

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out one machine."""
        machine = PlannedResource("machine", spec.name, {"spec": msgspec.to_builtins(spec)})
        return Plan(self.name, spec.name, offer, (Step("rent", "machine"),), (machine,), ("PLEXCTL_TOKEN",))

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Rent the plan's machine, unless there is one."""
        self.market.may("apply")
        ref, host = journal.ref, plan.offer.detail["host"]
        if there := self.market.alive.get(ref.label):
            journal.created(journal.intend("machine", ref.label, {"host": there}), f"id-of-{there}")
            return Deployment(journal.ref, None, changed=False)
        fate = self.market.fates.get(host)
        if fate == GONE:
            raise NoCapacityError(f"offer of {host} is gone")
        key = journal.intend("machine", ref.label, {"host": host})
        self.market.alive[ref.label] = host
        self.market.made.append(host)
        self.market.most_alive = max(self.market.most_alive, len(self.market.alive))
        if isinstance(fate, BaseException):
            raise fate
        journal.created(key, f"id-of-{host}")
        return Deployment(journal.ref, None)

    def stop(self, ref: Ref) -> None:
        """Do nothing: nothing here is stopped."""
        del ref
        self.market.may("stop")

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """Give the machine back."""
        self.market.may("destroy")
        host = self.market.alive.pop(ref.label, None)
        removed = () if host is None else (Resource("machine", ref.label, f"id-of-{host}"),)
        if everything:
            self.market.left.discard(ref.label)
        elif self.market.keeps:
            self.market.left.add(ref.label)
            return Removal(removed, (Kept("image", ref.label, "the next deploy uses it"),))
        return Removal(removed)

    def _ref(self, label: str) -> Ref:
        name, _, identity = label.removeprefix("plexctl-").rpartition("-")
        host, detail = self.market.alive.get(label), self.market.details.get(label)
        told = () if host is None or detail is None else (Resource("machine", label, f"id-of-{host}", detail),)
        return Ref(self.name, name, identity, told)


def renting(market: Market) -> type[Provider]:
    """Return the adapter's class for a market."""
    return type("Renting", (Renting,), {"market": market, "name": market.name})
