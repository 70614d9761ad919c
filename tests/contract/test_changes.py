"""What an apply may change: nothing that the plan does not list, nothing that is as planned, little for a little."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest
from tests.contract.steps import applied, begin, bring_up, is_planned, new_things, offer_of, plan_of
from tests.contract.worlds import World

from plexctl.journal import Journal, open_journal
from plexctl.model import Plan
from plexctl.spec import Spec


def test_nothing_that_the_plan_does_not_list(world: World, journal: Journal) -> None:
    """Whatever exists afterwards, was recorded or was called for is among the plan's resources."""
    before, calls, entry = world.exists(), len(world.mutations()), begin(world, journal)
    ref = bring_up(world, entry).ref
    plan = plan_of(world, world.provider())
    things = [*new_things(world, before), *((one.kind, one.name) for one in ref.resources)]
    assert things
    assert [thing for thing in things if not is_planned(thing, plan, ref)] == []
    kinds = {call.split()[1] for call in world.mutations()[calls:]}
    assert kinds <= {one.kind for one in plan.resources}


def test_what_is_as_planned_gets_no_call_that_changes_anything(world: World, journal: Journal) -> None:
    """The same plan again, by a fresh adapter: no mutating call, the same things, and it says so."""
    entry = begin(world, journal)
    bring_up(world, entry)
    calls, things = world.mutations(), world.exists()
    assert not bring_up(world, entry).changed
    assert (world.mutations(), world.exists()) == (calls, things)


def test_what_was_found_is_taken_as_it_is(world: World, journal: Journal, tmp_path: Path) -> None:
    """With the journal lost, what `find` tells is enough for an apply that changes nothing."""
    entry = begin(world, journal)
    made = bring_up(world, entry)
    calls = world.mutations()
    (found,) = world.provider().find("voice")
    with open_journal(tmp_path / "other", time.time) as other:
        adopted = other.adopt(found, world.spec("voice"), entry.record.offer, None)
        again = bring_up(world, adopted)
        assert not again.changed
        assert again.endpoint == made.endpoint
        assert {(one.kind, one.name, one.id) for one in adopted.ref.resources} == {
            (one.kind, one.name, one.id) for one in entry.ref.resources
        }
    assert world.mutations() == calls


def test_a_new_prompt_is_one_change(world: World, journal: Journal) -> None:
    """Where a provider updates in place, another prompt takes one mutating call, there and back, and no new thing."""
    if not world.provider().capabilities.updates_in_place:
        pytest.skip("updated by a destroy and a create")
    entry = begin(world, journal)
    first = bring_up(world, entry)
    things, as_it_was = world.exists(), world.spec("voice")
    prompted = msgspec.structs.replace(
        as_it_was, gateway=msgspec.structs.replace(as_it_was.gateway, text_prompt="You are a pirate.")
    )
    for spec in (prompted, as_it_was):
        calls = len(world.mutations())
        plan = _plan(world, spec)
        entry.respec(spec, plan.offer)
        done = applied(world.provider(), plan, entry)
        assert done.changed
        assert done.endpoint == first.endpoint
        assert len(world.mutations()) == calls + 1, world.mutations()[calls:]
        assert not applied(world.provider(), plan, entry).changed
        assert len(world.mutations()) == calls + 1, world.mutations()[calls:]
        assert world.exists() == things
        assert world.running(entry.ref) == 1
        assert entry.ref.resources == first.ref.resources


def _plan(world: World, spec: Spec) -> Plan:
    provider = world.provider()
    return provider.plan(spec, offer_of(provider))
