"""A provider of the tests' own that scales to zero, in memory: what the core makes of one is tried with it.

Its gateway is a real port on the loopback, so that every answer of `/health` takes the way that it takes elsewhere.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar, Protocol

import msgspec

from plexctl.contract import Capabilities, Context, DeploymentJournal, Provider
from plexctl.model import (
    KEEP,
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
    Usage,
)
from plexctl.spec import Spec
from plexctl.states import State

NAME = "sky"
READY = {"state": "ready", "phase": "ready", "progress": 1.0, "engines": 1, "busy": 0}
LOADING = {"state": "loading", "phase": "weights", "progress": 0.5, "engines": 1, "busy": 0}
SHARED = Resource("volume", "shared-weights", "vol-1")
OFFERS = (
    Offer(NAME, "L40S", 1, "east", 2.0, "sky's own price list", "2026-11-21", {"zone": "east-1"}),
    Offer(NAME, "L40S", 1, "west", 2.0, "sky's own price list", "2026-11-21", {"zone": "west-1"}),
    Offer(NAME, "L4", 1, "east", 0.5, "sky's own price list", "2026-11-21"),
    Offer(NAME, "T4", 1, "east", 0.1, "sky's own price list", "2026-11-21"),
    Offer(NAME, None, 0, None, 0.03, "sky's own price list", "2026-11-21"),
)


@dataclass
class Sky:
    """Everything at the provider, and its switches."""

    apps: dict[str, bytes] = field(default_factory=dict)
    """Label to the plan's body that runs there."""
    volumes: set[str] = field(default_factory=set)
    mutations: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    """Every method that was called."""
    tokens: list[str] = field(default_factory=list)
    """Access tokens that `apply` was given."""
    renewed: int = 0
    """How often `apply` was to send the secrets again."""
    asked: int = 0
    """How often somebody asked the gateway."""
    offers: tuple[Offer, ...] = OFFERS
    usage: Usage = field(default_factory=lambda: Usage(1, 0.25, "sky's bill"))
    findings: list[Finding] = field(default_factory=list)
    health: Callable[[], dict[str, object] | None] = lambda: READY
    """What the gateway says; None is 503."""
    fails: dict[str, BaseException] = field(default_factory=dict)
    """Method to what it raises."""
    refuses: bytes | None = None
    """A word in the plan of an app that does not come up: its state is FAILED."""
    lines: tuple[str, ...] = ("a line of its log",)
    endpoint: Endpoint = field(init=False)

    def may(self, method: str) -> None:
        """Note the call; raise what the method is to raise."""
        self.calls.append(method)
        if method in self.fails:
            raise self.fails[method]


class SkyProvider:
    """The adapter; each sky has a class of its own."""

    sky: ClassVar[Sky]
    name: ClassVar[str] = NAME
    capabilities: ClassVar[Capabilities] = Capabilities(
        scale_to_zero=True,
        follows_logs=True,
        runs_without_gpu=True,
        updates_in_place=True,
        scaling=("modal.min_containers", "modal.max_containers"),
    )

    def __init__(self, context: Context) -> None:
        self._context = context

    def preflight(self, spec: Spec) -> list[Finding]:
        """Return the switch's findings."""
        del spec
        self.sky.may("preflight")
        return self.sky.findings

    def offers(self, need: Need) -> list[Offer]:
        """Return the switch's offers."""
        del need
        self.sky.may("offers")
        return list(self.sky.offers)

    def status(self, ref: Ref) -> Status:
        """Say that it is there, or that it failed."""
        self.sky.may("status")
        if ref.label not in self.sky.apps:
            return Status(State.MISSING, detail="gone")
        if self.sky.refuses is not None and self.sky.refuses in self.sky.apps[ref.label]:
            return Status(State.FAILED, self.sky.endpoint, "the container ended with 1")
        return Status(State.LOADING, self.sky.endpoint, "deployed")

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Yield the switch's lines."""
        del ref, follow, since, tail
        self.sky.may("logs")
        yield from map(LogLine, self.sky.lines)

    def find(self, name: str | None) -> list[Ref]:
        """Find what is there by its label."""
        self.sky.may("find")
        found = (label.removeprefix("plexctl-").rpartition("-") for label in self.sky.apps)
        return [Ref(NAME, one, identity) for one, _, identity in found if name in (None, one)]

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out one app and a volume that is kept."""
        body = {"spec": msgspec.to_builtins(spec), "gpu": offer.gpu, "region": offer.region}
        steps = (Step(KEEP, f"{SHARED.kind} {SHARED.name}"), Step("create", "app"))
        app = PlannedResource("app", spec.name, body)
        return Plan(NAME, spec.name, offer, steps, (app,), ("PLEXCTL_TOKEN",), spec.modal.environment or "home")

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Make or change the one app."""
        self.sky.may("apply")
        self.sky.renewed += self._context.renews_secrets
        self.sky.tokens.append(self._context.secrets["PLEXCTL_TOKEN"].reveal())
        ref, body = journal.ref, msgspec.json.encode(plan.resources[0].body)
        for kind, name in ((SHARED.kind, SHARED.name), ("app", ref.label)):
            journal.created(journal.intend(kind, name), f"{kind}-1")
        self.sky.volumes.add(SHARED.name)
        changed = self.sky.apps.get(ref.label) != body
        if changed:
            self.sky.mutations.append(f"{'change' if ref.label in self.sky.apps else 'create'} {ref.label}")
        self.sky.apps[ref.label] = body
        journal.reached(self.sky.endpoint)
        return Deployment(journal.ref, self.sky.endpoint, changed)

    def stop(self, ref: Ref) -> None:
        """Take the app away."""
        self.sky.may("stop")
        if self.sky.apps.pop(ref.label, None) is not None:
            self.sky.mutations.append(f"stop {ref.label}")

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """Take the app away, with everything the volume too."""
        self.sky.may("destroy")
        found = self.sky.apps.pop(ref.label, None)
        removed = () if found is None else (Resource("app", ref.label, "app-1"),)
        self.sky.mutations += [f"destroy {one.name}" for one in removed]
        if everything:
            self.sky.volumes.clear()
            return Removal(removed)
        return Removal(removed, (Kept(SHARED.kind, SHARED.name, "others use it; 0.09 USD per GiB-month"),))

    def usage(self, ref: Ref, since: float) -> Usage:
        """Return the switch's usage."""
        del ref, since
        self.sky.may("usage")
        return self.sky.usage

    @contextmanager
    def serve(self, plan: Plan, journal: DeploymentJournal) -> Iterator[Deployment]:
        """Have the app until the context ends."""
        deployment = self.apply(plan, journal)
        yield deployment
        self.stop(journal.ref)


def adapter_of(sky: Sky) -> type[Provider]:
    """Return the adapter's class for this sky."""
    return type("SkyProvider", (SkyProvider,), {"sky": sky})


class Answering(Protocol):
    """A provider of the tests' own whose gateway is stood in for."""

    asked: int
    endpoint: Endpoint

    @property
    def health(self) -> Callable[[], dict[str, object] | None]:
        """What it says."""


@contextmanager
def gateway_of(sky: Answering, tls: ssl.SSLContext | None = None) -> Iterator[None]:
    """Let the sky's gateway answer on the loopback, in TLS with a context."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            sky.asked += 1
            said = sky.health()
            body = json.dumps(said).encode() if said else b"no container yet"
            self.send_response(200 if said else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    sky.endpoint = Endpoint(url, f"{url.replace('http', 'ws')}/api/chat", "none")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
