"""`gc` with each adapter: what a destroy, a failed destroy and a lost journal leave is what it is said to be."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import pytest
from tests.contract.steps import begun, bring_up
from tests.contract.worlds import World
from tests.flows.conftest import Reporter

from plexctl.contract import Context, Provider
from plexctl.errors import ProviderError
from plexctl.flows import operate
from plexctl.flows.collecting import ENDS, collect
from plexctl.flows.drift import Difference, Kind
from plexctl.flows.session import Session
from plexctl.flows.surveying import Scope, survey
from plexctl.model import CREATED_AT, Ref

TELLS_NO_AGE = ("ssh", "ovh")
"""Of a host of one's own and of an instance at OVHcloud, nobody tells."""
_AHEAD_S = 600.0
"""What a loopback cloud's clock may be ahead, since nobody waits by it."""


@dataclass(frozen=True)
class Alone:
    """The registry of one world."""

    world: World

    def names(self) -> list[str]:
        """Return its provider's name."""
        return [self.world.provider().name]

    def provider_class(self, name: str) -> type[Provider]:
        """Return what makes its adapter."""
        assert name == self.world.provider().name

        def adapter(context: Context) -> Provider:
            del context
            return self.world.provider()

        return cast("type[Provider]", adapter)


@pytest.fixture
def session(world: World) -> Session:
    """Give a session over the world's folder."""
    return Session(world.home, {}, Reporter(), adapters=Alone(world))


def deployed(world: World) -> Ref:
    """Deploy and record that it was ready."""
    with begun(world) as entry:
        bring_up(world, entry)
        entry.ready()
        return entry.ref


def differences(session: Session) -> list[Difference]:
    """Return what differs, of whatever age; everybody must have answered."""
    found = survey(session, Scope(takes_young=True))
    assert found.failed == {}
    return found.differences


def sweep(session: Session) -> None:
    """End what is to be ended; nothing fails."""
    done = collect(session, [one for one in differences(session) if one.kind in ENDS])
    assert (done.failed, done.left) == ([], [])


def test_what_is_up_and_recorded_is_no_difference(world: World, session: Session) -> None:
    """Neither before a deploy nor after it, nor is what a plain destroy keeps any wrong."""
    assert differences(session) == []
    deployed(world)
    assert differences(session) == []
    operate.destroy(session, "voice")
    assert [one for one in differences(session) if one.is_wrong] == []


def test_a_destroy_that_did_not_take_is_ended(world: World, session: Session) -> None:
    """Said to be deleted and still there: an orphan, then nothing."""
    ref = deployed(world)
    world.keep_the_next_deleted()
    with pytest.raises(ProviderError):
        operate.destroy(session, "voice")
    assert [one.kind for one in differences(session)] in ([Kind.ORPHAN], [Kind.GHOST])
    sweep(session)
    assert world.running(ref) == 0
    assert [one for one in differences(session) if one.is_wrong] == []


def test_a_lost_journal_leaves_nothing(world: World, session: Session) -> None:
    """Found by name and label alone, ended, and no longer listed by its provider: once is enough."""
    ref = deployed(world)
    forget(world.home)
    (found,) = differences(session)
    assert (found.kind, found.seen.ref.id) == (Kind.ORPHAN, ref.id)
    sweep(session)
    assert (world.running(ref), world.provider().find(None), differences(session)) == (0, [], [])


def test_what_nobody_recorded_has_an_age(world: World, session: Session) -> None:
    """Young now, and an orphan in two hours, where the provider tells when it was made; young for ever elsewhere."""
    deployed(world)
    forget(world.home)
    (found,) = survey(session, Scope()).differences
    assert found.kind is Kind.YOUNG
    if not any(CREATED_AT in one.detail for one in found.seen.ref.resources):
        assert world.provider().name in TELLS_NO_AGE
        return
    later = replace(session, now=lambda: time.time() + 7200 + _AHEAD_S)
    (found,) = survey(later, Scope()).differences
    assert (found.kind, found.why) == (Kind.ORPHAN, "not recorded here")


def forget(home: Path) -> None:
    """Lose the journal."""
    for file in home.glob("journal.db*"):
        file.unlink()
