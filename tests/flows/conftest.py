"""A sky, a clock that only waiting moves, and a session over both."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.flows.sky import NAME, Sky, adapter_of, gateway_of

from plexctl.catalog.wishes import Wish, gpus_of
from plexctl.contract import Provider
from plexctl.errors import ConfigurationError
from plexctl.flows.bringing import Acting, Deployed
from plexctl.flows.deploy import deploy
from plexctl.flows.preparing import Order, Prepared, prepare
from plexctl.flows.session import Session
from plexctl.secret import Secret
from plexctl.spec import Spec

BEGIN = 1_795_219_200.0
SECRETS = {"PLEXCTL_TOKEN": Secret("a-token")}


@dataclass
class Clock:
    """Time that passes only while somebody waits."""

    passed_s: float = 0.0

    def now(self) -> float:
        """Seconds since the epoch."""
        return BEGIN + self.passed_s

    def monotonic(self) -> float:
        """Seconds since the test began."""
        return self.passed_s

    async def sleep(self, seconds: float) -> None:
        """Let the time pass."""
        self.passed_s += seconds


@dataclass
class Reporter:
    """Keeps what was told."""

    told: list[str] = field(default_factory=list)

    def progress(self, text: str) -> None:
        """Keep it."""
        self.told.append(text)

    def note(self, text: str) -> None:
        """Keep it."""
        self.told.append(text)


@dataclass
class World:
    """Everything that a flow needs, and what it asked and told."""

    session: Session
    sky: Sky
    clock: Clock
    reporter: Reporter
    questions: list[str] = field(default_factory=list)

    def prepare(
        self, spec: Spec, *, gpu: str | None = None, region: str | None = None, force: bool = False
    ) -> Prepared:
        """Prepare a deploy."""
        wish = Wish(providers=(NAME,), gpu_words=gpu, gpus=gpus_of(gpu), region=region)
        return prepare(self.session, Order(spec, wish, force=force))

    def deploy(self, spec: Spec, *, gpu: str | None = None, region: str | None = None) -> Deployed:
        """Deploy without a probe, whose side the gateway's stand-in does not have."""
        prepared = self.prepare(spec, gpu=gpu, region=region)
        return deploy(self.session, prepared, Acting(SECRETS, self.questions.append, probe=False))


@dataclass(frozen=True)
class Registry:
    """The sky alone."""

    sky: Sky

    def names(self) -> list[str]:
        """Return its name."""
        return [NAME]

    def provider_class(self, name: str) -> type[Provider]:
        """Return its adapter."""
        if name != NAME:
            raise ConfigurationError(f"unknown provider {name!r}")
        return adapter_of(self.sky)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give an empty sky, whose gateway answers that it is ready."""
    sky, clock, reporter = Sky(), Clock(), Reporter()
    session = Session(
        home=tmp_path / "home",
        environ={},
        reporter=reporter,
        now=clock.now,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        adapters=Registry(sky),
    )
    with gateway_of(sky):
        yield World(session, sky, clock, reporter)


@pytest.fixture
def spec() -> Spec:
    """Ask for the engine without weights, which needs no GPU."""
    return Spec(name="voice", provider=NAME, engine="echo")
