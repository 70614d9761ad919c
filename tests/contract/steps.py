"""What the contract's tests do over and over: plan, begin, apply, and listen in on the journal."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from tests.contract.worlds import World

from plexctl.contract import Provider
from plexctl.identity import new_id
from plexctl.journal import Entry, Journal
from plexctl.model import Deployment, Endpoint, Need, Plan, Ref
from plexctl.secret import Secret


def plan_of(world: World, provider: Provider, name: str = "voice", secrets: tuple[str, ...] = ()) -> Plan:
    """Plan with the first offer."""
    return provider.plan(world.spec(name, secrets), provider.offers(Need())[0])


def begin(world: World, journal: Journal, name: str = "voice") -> Entry:
    """Record a new deployment."""
    provider = world.provider()
    ref = Ref(provider.name, name, new_id())
    return journal.begin(ref, world.spec(name), provider.offers(Need())[0])


def bring_up(
    world: World, entry: Entry, name: str = "voice", secrets: Mapping[str, Secret] | None = None
) -> Deployment:
    """Apply the plan with a fresh adapter."""
    provider = world.provider(secrets)
    return provider.apply(plan_of(world, provider, name, tuple(secrets or ())), entry)


class Watched:
    """A journal's entry that calls back at each write, so that a test can look at the world at that moment."""

    def __init__(self, entry: Entry, look: Callable[[str], None]) -> None:
        self._entry = entry
        self._look = look

    @property
    def ref(self) -> Ref:
        """The deployment as recorded."""
        return self._entry.ref

    def intend(self, kind: str, name: str, detail: Mapping[str, str] | None = None) -> int:
        """Record, and look."""
        key = self._entry.intend(kind, name, detail)
        self._look("intend")
        return key

    def created(self, key: int, resource_id: str, detail: Mapping[str, str] | None = None) -> None:
        """Record, and look."""
        self._entry.created(key, resource_id, detail)
        self._look("created")

    def removed(self, key: int) -> None:
        """Record, and look."""
        self._entry.removed(key)
        self._look("removed")

    def reached(self, endpoint: Endpoint) -> None:
        """Record, and look."""
        self._entry.reached(endpoint)
        self._look("reached")
