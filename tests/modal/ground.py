"""What the tests of Modal's adapter stand on: the loopback Modal, a journal, and what is deployed over and over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import msgspec
from modal_proto import api_pb2
from tests.clouds.modal import Modal
from tests.clouds.modal.state import App

from plexctl.contract import Context
from plexctl.identity import new_id
from plexctl.journal import Entry, Journal, open_journal
from plexctl.model import Deployment, Offer, Plan, Ref
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl_providers.modal.adapter import ModalProvider

TOKEN = "an-access-token-7f3a91c2"
HUB_TOKEN = "hf_a-hub-token-9b1d"
L40S = Offer("modal", "L40S", 1, None, 1.95, "a sample", "2026-11-20")
NO_GPU = Offer("modal", None, 0, None, 0.03, "a sample", "2026-11-20")


def spec_of(engine: str = "personaplex", **values: Any) -> Spec:
    """Return the spec of the deployment `voice`."""
    return msgspec.convert({"name": "voice", "provider": "modal", "engine": engine, **values}, Spec)


@dataclass
class Ground:
    """One account, one journal."""

    cloud: Modal
    home: Path
    journal: Journal
    told: list[str] = field(default_factory=list)
    """What was told as progress."""
    now: Callable[[], float] = time.time

    @classmethod
    @contextmanager
    def over(cls, cloud: Modal, home: Path) -> Iterator[Self]:
        """Give it with an open journal."""
        with open_journal(home, time.time) as journal:
            yield cls(cloud, home, journal)

    @property
    def context(self) -> Context:
        """What an adapter gets."""
        secrets = {"PLEXCTL_TOKEN": Secret(TOKEN), "HF_TOKEN": Secret(HUB_TOKEN)}
        return Context(self.home, self.cloud.environment_variables, secrets, self.now, self.told.append)

    def provider(self, *, renews_secrets: bool = False, environment: Mapping[str, str] | None = None) -> ModalProvider:
        """Return a fresh adapter."""
        context = replace(self.context, renews_secrets=renews_secrets)
        return ModalProvider(replace(context, environment=environment) if environment is not None else context)

    def plan(self, spec: Spec) -> Plan:
        """Plan a spec, with an L40S where it has the model."""
        return self.provider().plan(spec, NO_GPU if spec.engine == "echo" else L40S)

    def begin(self, spec: Spec) -> Entry:
        """Record a new deployment."""
        return self.journal.begin(Ref("modal", spec.name, new_id()), spec, L40S)

    def deploy(self, spec: Spec, entry: Entry | None = None) -> tuple[Entry, Deployment]:
        """Apply the plan of a spec."""
        entry = entry or self.begin(spec)
        return entry, self.provider().apply(self.plan(spec), entry)

    def app(self, ref: Ref) -> App:
        """Return the deployed app."""
        found = self.cloud.deployed(ref.label, "main")
        assert found is not None
        return found

    def left(self) -> list[str]:
        """Return what is there: live apps, named secrets, volumes."""
        apps = [app.description for app in self.cloud.apps.values() if app.is_alive]
        secrets = [one.name for one in self.cloud.secrets.values() if one.name]
        return sorted([*apps, *secrets, *(one.name for one in self.cloud.volumes.values())])

    def definition(self, ref: Ref) -> api_pb2.Function:
        """Return the deployed class's definition."""
        app = self.app(ref)
        return self.cloud.functions[app.functions["PersonaPlex.*"]].definition  # type: ignore[no-any-return]
