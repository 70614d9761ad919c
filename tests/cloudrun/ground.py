"""What the tests of Cloud Run stand on: a loopback Google, adapters over it, and a journal in a folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
from tests.clouds.google import Google, Service

from plexctl.contract import Context
from plexctl.identity import new_id
from plexctl.journal import Entry, open_journal
from plexctl.model import Deployment, Offer, Ref
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl_providers.cloudrun.adapter import CloudRunProvider

L4 = Offer("cloudrun", "L4", 1, "europe-west4", None, "a sample", None)
NO_GPU = Offer("cloudrun", None, 0, "us-central1", None, "a sample", None)
PATCH = "run.projects.locations.services.patch"

ONLY_FROM_NOTHING = [
    "enable apis",
    *(["create secret", "add secret-version", "set secret-access"] * 2),
    "create repository",
    "create source-bucket",
    "upload source",
    "build image",
    "create weights-bucket",
    "set weights-access",
    "create service",
    "set invoker",
]
"""What an apply does in a project with nothing in it."""


def spec_of(**values: Any) -> Spec:
    """Return the spec that a plexctl.toml with these values would be."""
    return msgspec.convert({"name": "voice", "provider": "cloudrun", "engine": "personaplex", **values}, Spec)


@dataclass
class Ground:
    """One user with a journal, and Google."""

    home: Path
    google: Google
    environment: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, Secret] = field(
        default_factory=lambda: {"PLEXCTL_TOKEN": Secret("a-token"), "HF_TOKEN": Secret("hf_x"), "EXTRA": Secret("e")}
    )
    said: list[str] = field(default_factory=list)

    def provider(self) -> CloudRunProvider:
        """Return a fresh adapter."""
        environment = {**self.google.environment, **self.environment}
        return CloudRunProvider(
            Context(self.home, environment, self.secrets, self.google.now, progress=self.said.append)
        )

    @contextmanager
    def begun(self, spec: Spec | None = None, offer: Offer = L4) -> Iterator[Entry]:
        """Give the entry of a new deployment."""
        with open_journal(self.home, time.time) as journal:
            spec = spec or spec_of()
            yield journal.begin(Ref("cloudrun", spec.name, new_id()), spec, offer)

    def apply(self, entry: Entry, spec: Spec | None = None, offer: Offer = L4) -> Deployment:
        """Apply a spec by a fresh adapter."""
        provider = self.provider()
        return provider.apply(provider.plan(spec or spec_of(), offer), entry)

    def service(self) -> Service:
        """Return the one service."""
        (one,) = self.google.books.services.values()
        return one

    def done_by(self, act: Callable[[], object]) -> list[str]:
        """Return what an act changed at Google, its own words without names."""
        before = len(self.google.mutations)
        act()
        return [" ".join(one.split()[:2]) for one in self.google.mutations[before:]]

    def sent(self, method: str) -> list[str]:
        """Return the bodies of all calls of a method."""
        return [seen.content.decode() for seen in self.google.requests if seen.method == method]

    def env(self) -> Mapping[str, str]:
        """Return the plain variables of the service's container."""
        return {one["name"]: one["value"] for one in self.service().env if "value" in one}
