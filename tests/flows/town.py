"""Two markets and a session over them, for the tests of offers in turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.flows.conftest import SECRETS, Clock, Reporter
from tests.flows.market import Market, renting
from tests.flows.sky import gateway_of

from plexctl.catalog.wishes import Wish
from plexctl.contract import Provider
from plexctl.errors import (
    ConfigurationError,
)
from plexctl.flows.asking import Order
from plexctl.flows.bringing import Acting, Deployed
from plexctl.flows.deploy import deploy
from plexctl.flows.preparing import Prepared, prepare
from plexctl.flows.session import Session
from plexctl.spec import Limits, Spec


@dataclass
class Town:
    """Two markets, a clock that only waiting moves, and a session over them."""

    session: Session
    clock: Clock
    reporter: Reporter
    vast: Market
    pods: Market
    questions: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)

    def prepare(self, *names: str, price: float | None = None, ignores: bool = False) -> Prepared:
        """Prepare a deploy at these markets, the first when none is named."""
        chosen = names or (self.vast.name,)
        spec = Spec(name="voice", provider=chosen[0], engine="echo", limits=self.limits)
        wish = Wish(providers=chosen, max_price_usd_per_hour=price)
        return prepare(self.session, Order(spec, wish, ignores_denied=ignores))

    def deploy(self, *names: str, price: float | None = None, ignores: bool = False) -> Deployed:
        """Deploy there without a probe."""
        prepared = self.prepare(*names, price=price, ignores=ignores)
        return deploy(self.session, prepared, Acting(SECRETS, self.questions.append, probe=False))

    @property
    def alive(self) -> list[str]:
        """The hosts on which something runs."""
        return [*self.vast.alive.values(), *self.pods.alive.values()]


@dataclass(frozen=True)
class Markets:
    """Both, by name."""

    markets: tuple[Market, ...]

    def names(self) -> list[str]:
        """Return their names."""
        return [one.name for one in self.markets]

    def provider_class(self, name: str) -> type[Provider]:
        """Return one's adapter."""
        found = next((one for one in self.markets if one.name == name), None)
        if found is None:
            raise ConfigurationError(f"unknown provider {name!r}")
        return renting(found)


@contextmanager
def town_in(folder: Path) -> Iterator[Town]:
    """Give a market with three hosts, and one with a dearer fourth."""
    first = Market("bazaar", {"a": 0.30, "b": 0.40, "c": 0.50})
    second = Market("podium", {"d": 0.60})
    clock, reporter = Clock(), Reporter()
    session = Session(
        home=folder / "home",
        environ={},
        reporter=reporter,
        now=clock.now,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        adapters=Markets((first, second)),
    )
    with gateway_of(first), gateway_of(second):
        yield Town(session, clock, reporter, first, second)


def tried(deployed: Deployed) -> list[tuple[Any, Any]]:
    """Return host and outcome of each attempt."""
    shown = [one.to_dict() for one in deployed.attempts]
    return [(one["host"], one["outcome"]) for one in shown]
