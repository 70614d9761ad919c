"""What the contract's tests do over and over: plan, begin, apply, and listen in on the journal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import inf

from tests.contract.worlds import World, until

from plexctl.contract import DeploymentJournal, Provider, Staged
from plexctl.identity import new_id
from plexctl.journal import Entry, Journal, open_journal
from plexctl.model import Deployment, Endpoint, Need, Offer, Plan, Ref, Status
from plexctl.secret import Secret
from plexctl.states import State
from plexctl_providers._common.placeholders import ID, fill, names_in

NEED = Need(min_vram_gib=20)
"""What the model needs where it has a GPU to itself (docs/gpus.md)."""
Thing = tuple[str, str]
"""Kind and name of what is at a provider."""


class Killed(BaseException):
    """The process ended here: nothing of an adapter's may catch it."""


def offer_of(provider: Provider) -> Offer:
    """Return the cheapest offer that fits."""
    offers = provider.offers(NEED)
    return min(offers, key=lambda one: inf if one.price_usd_per_hour is None else one.price_usd_per_hour)


def plan_of(world: World, provider: Provider, name: str = "voice", secrets: tuple[str, ...] = ()) -> Plan:
    """Plan the world's spec with the cheapest offer."""
    return provider.plan(world.spec(name, secrets), offer_of(provider))


def begin(world: World, journal: Journal, name: str = "voice") -> Entry:
    """Record a new deployment."""
    provider = world.provider()
    return journal.begin(Ref(provider.name, name, new_id()), world.spec(name), offer_of(provider))


def bring_up(
    world: World, entry: Entry, name: str = "voice", secrets: Mapping[str, Secret] | None = None
) -> Deployment:
    """Apply the plan with a fresh adapter."""
    provider = world.provider(secrets)
    return applied(provider, plan_of(world, provider, name, tuple(secrets or ())), entry)


def applied(provider: Provider, plan: Plan, journal: DeploymentJournal) -> Deployment:
    """Apply a plan, and go on with what cannot be done at once, as the core does."""
    made = provider.apply(plan, journal)
    if not isinstance(provider, Staged):
        return made
    last: list[Status] = []

    def is_done() -> bool:
        last.append(provider.proceed(plan, journal))
        return last[-1].state is not State.CREATING

    until(is_done, "the last stage of an apply")
    return Deployment(journal.ref, last[-1].endpoint or made.endpoint, made.changed)


@contextmanager
def begun(world: World) -> Iterator[Entry]:
    """Open the world's journal with a new deployment in it."""
    with open_journal(world.home, time.time) as journal:
        yield begin(world, journal)


def new_things(world: World, before: list[Thing]) -> list[Thing]:
    """Return what exists now and did not before; a second one of the same kind and name is new."""
    return sorted((Counter(world.exists()) - Counter(before)).elements())


def is_planned(thing: Thing, plan: Plan, ref: Ref) -> bool:
    """Tell whether a plan lists it; what only the provider could tell stands for anything."""
    kind, name = thing
    return any(kind == one.kind and fnmatchcase(name, _filled(one.name, ref)) for one in plan.resources)


@dataclass(frozen=True)
class Whole:
    """A deployment that nothing disturbed: how often its journal was written, and what it was in the end."""

    events: tuple[str, ...]
    exists: tuple[Thing, ...]
    recorded: tuple[Thing, ...]

    @property
    def intents(self) -> int:
        """How many resources were announced."""
        return self.events.count("intend")

    def check(self, world: World, entry: Entry, when: str) -> None:
        """Assert that a deployment, whatever happened to it, is as whole as this one: one of everything, recorded."""
        ref = entry.ref
        assert _anonymous(world.exists(), ref) == self.exists, when
        assert _anonymous([(one.kind, one.name) for one in ref.resources], ref) == self.recorded, when
        assert [one for one in ref.resources if one.id is None] == [], when
        assert world.running(ref) == 1, when


def undisturbed(world: World) -> Whole:
    """Deploy from nothing to the end."""
    events: list[str] = []
    with begun(world) as entry:
        provider = world.provider()
        applied(provider, plan_of(world, provider), Watched(entry, lambda event, _: events.append(event)))
        ref = entry.ref
        recorded = _anonymous([(one.kind, one.name) for one in ref.resources], ref)
        return Whole(tuple(events), _anonymous(world.exists(), ref), recorded)


def disturbed(world: World, entry: Entry, nth: int, event: str, disturb: Callable[[], None]) -> None:
    """Deploy, and disturb it right after the nth journal write of that kind (any kind: the empty text)."""
    left = [nth]

    def look(seen: str, _: Thing) -> None:
        if event in ("", seen):
            left[0] -= 1
            if left[0] == -1:
                disturb()

    provider = world.provider()
    applied(provider, plan_of(world, provider), Watched(entry, look))


def be_killed() -> None:
    """End the process, as far as an adapter can tell."""
    raise Killed


class Watched:
    """A journal's entry that calls back after each write with what it was about, so that a test can look or cut in."""

    def __init__(self, entry: DeploymentJournal, look: Callable[[str, Thing], None]) -> None:
        self._entry = entry
        self._look = look
        self._things: dict[int, Thing] = {}

    @property
    def ref(self) -> Ref:
        """The deployment as recorded."""
        return self._entry.ref

    def intend(self, kind: str, name: str, detail: Mapping[str, str] | None = None) -> int:
        """Record, and look."""
        key = self._entry.intend(kind, name, detail)
        self._things[key] = (kind, name)
        self._look("intend", (kind, name))
        return key

    def created(self, key: int, resource_id: str, detail: Mapping[str, str] | None = None) -> None:
        """Record, and look."""
        self._entry.created(key, resource_id, detail)
        self._look("created", self._things[key])

    def removed(self, key: int) -> None:
        """Record, and look."""
        self._entry.removed(key)
        self._look("removed", self._things[key])

    def reached(self, endpoint: Endpoint) -> None:
        """Record, and look."""
        self._entry.reached(endpoint)
        self._look("reached", ("endpoint", endpoint.url))


def _anonymous(things: list[Thing], ref: Ref) -> tuple[Thing, ...]:
    return tuple(sorted((kind, name.replace(ref.id, ID)) for kind, name in things))


def _filled(name: str, ref: Ref) -> str:
    return str(fill(name, {**dict.fromkeys(names_in(name), "*"), ID: ref.id}))
