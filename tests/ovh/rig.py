"""An OVHcloud on the loopback with a journal, and what the tests do with both over and over."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tests.clouds.ovh.server import Ovh
from tests.clouds.ovh.state import PROJECT

from plexctl.contract import Context
from plexctl.identity import new_id
from plexctl.journal import Entry, open_journal
from plexctl.model import Deployment, Offer, Plan, Ref
from plexctl.secret import Secret
from plexctl.spec import Image, Spec
from plexctl.spec import Ovh as Wish
from plexctl_providers._common.clock import Clock
from plexctl_providers.ovh.adapter import OvhProvider
from plexctl_providers.ovh.client import Client

TOKEN = "canary-5d1e0a7b"
SECRETS = {"PLEXCTL_TOKEN": Secret(TOKEN), "HF_TOKEN": Secret("hf_loopback")}
IMAGE = "ghcr.io/me/personaplex@sha256:" + "a" * 64


class Rig:
    """One account whose instances are addresses at which nobody answers."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.cloud = Ovh()

    def __enter__(self) -> Self:
        self.cloud.__enter__()
        self.journal = open_journal(self.home, time.time).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.__exit__(None, None, None)
        self.cloud.__exit__(None, None, None)

    @property
    def clock(self) -> Clock:
        """The cloud's clock: waiting takes no time."""
        return Clock(self.cloud.clock.now, self.cloud.clock.sleep)

    def context(self, environment: Mapping[str, str] | None = None) -> Context:
        """Return what an adapter is given."""
        given = self.cloud.for_people if environment is None else environment
        return Context(self.home, given, SECRETS, self.cloud.clock.wall)

    def client(self, environment: Mapping[str, str] | None = None) -> Client:
        """Return a fresh client."""
        return Client(self.context(environment), self.clock)

    def provider(self, spec: Spec | None = None, environment: Mapping[str, str] | None = None) -> OvhProvider:
        """Return a fresh adapter."""
        made = OvhProvider(self.context(environment), clock=self.clock)
        made.plans_for(spec or self.spec())
        return made

    def spec(self, **wish: Any) -> Spec:
        """Return a spec for the model, with a section of OVHcloud's own."""
        section = Wish(**({"project": PROJECT} | wish))
        return Spec(name="voice", provider="ovh", engine="personaplex", image=Image(name=IMAGE), ovh=section)

    def begin(self, spec: Spec | None = None, offer: Offer | None = None) -> Entry:
        """Record a new deployment."""
        return self.journal.begin(Ref("ovh", "voice", new_id()), spec or self.spec(), offer or l4())

    def plan(self, spec: Spec | None = None, offer: Offer | None = None) -> Plan:
        """Plan it."""
        return self.provider().plan(spec or self.spec(), offer or l4())

    def deploy(self, entry: Entry, offer: Offer | None = None) -> Deployment:
        """Apply with a fresh adapter."""
        return self.provider().apply(self.plan(entry.record.spec, offer), entry)

    def operations(self) -> list[str]:
        """Return what was asked for so far, in order."""
        return [one.operation for one in self.cloud.seen]


def l4(region: str = "GRA11") -> Offer:
    """Return an offer as the catalogue has it."""
    return Offer("ovh", "L4", 1, region, 0.75, "a test", None)
