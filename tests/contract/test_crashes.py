"""Whatever is cut off and wherever: nothing is made twice, and nothing that bills is out of sight."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.contract.steps import (
    Killed,
    Thing,
    Watched,
    applied,
    be_killed,
    begin,
    begun,
    bring_up,
    disturbed,
    new_things,
    plan_of,
    undisturbed,
)
from tests.contract.worlds import World

from plexctl.errors import PlexError
from plexctl.journal import Journal
from plexctl.states import State

MOST_ANSWERS = 50
"""More creates than any deployment has."""


def test_nothing_exists_before_its_own_intent(world: World, journal: Journal) -> None:
    """At each write, what exists is recorded; at each intent, it alone waits for its id, and is not there yet."""
    before, entry, intents = world.exists(), begin(world, journal), []

    def look(event: str, thing: Thing) -> None:
        recorded = {(one.kind, one.name): one.id for one in entry.ref.resources}
        made = new_things(world, before)
        assert set(made) <= recorded.keys()
        if event == "intend":
            intents.append(thing)
            assert thing not in made
            assert [one for one, resource_id in recorded.items() if resource_id is None] == [thing]

    provider = world.provider()
    applied(provider, plan_of(world, provider), Watched(entry, look))
    assert len(intents) == len(set(intents)) == len(entry.ref.resources) > 0


def test_a_lost_answer_makes_nothing_twice(new_world: Callable[[], World]) -> None:
    """Each create in turn takes effect, and its answer is lost: the next apply ends with one of everything."""
    whole = undisturbed(new_world())
    for nth in range(whole.intents):
        world = new_world()
        with begun(world) as entry:
            with suppress(PlexError):
                disturbed(world, entry, nth, "intend", world.lose_the_next_answer)
            bring_up(world, entry)
            whole.check(world, entry, f"the answer to create {nth + 1} of {whole.intents} was lost")


def test_every_answer_lost_makes_nothing_twice(new_world: Callable[[], World]) -> None:
    """A network that loses one answer in each apply is outlasted: in the end there is one of everything."""
    whole = undisturbed(new_world())
    world = new_world()
    with begun(world) as entry:
        for _ in range(MOST_ANSWERS):
            before = world.mutations()
            world.lose_the_next_answer()
            with suppress(PlexError):
                bring_up(world, entry)
            if world.mutations() == before:
                break
        whole.check(world, entry, "every answer was lost once")


def test_a_deploy_that_was_killed_is_finished(new_world: Callable[[], World]) -> None:
    """Killed right after each write of the journal in turn: the next apply ends with one of everything."""
    whole = undisturbed(new_world())
    for nth, event in enumerate(whole.events):
        world = new_world()
        with begun(world) as entry:
            with pytest.raises(Killed):
                disturbed(world, entry, nth, "", be_killed)
            bring_up(world, entry)
            whole.check(world, entry, f"killed after write {nth + 1} ({event})")


def test_a_deploy_that_was_killed_is_found_and_removed(new_world: Callable[[], World]) -> None:
    """Killed right after each write, and the journal lost: what carries its label is found and can be destroyed."""
    for nth, event in enumerate(undisturbed(new_world()).events):
        world, when = new_world(), f"killed after write {nth + 1} ({event})"
        before = world.exists()
        with begun(world) as entry:
            with pytest.raises(Killed):
                disturbed(world, entry, nth, "", be_killed)
            ref = entry.ref
        has_some = any(ref.id in name for _, name in new_things(world, before))
        found = world.provider().find(None)
        assert [(one.name, one.id) for one in found] == [(ref.name, ref.id)] * has_some, when
        for one in found:
            assert world.provider().status(one).state is not State.UNKNOWN, when
            world.provider().destroy(one, everything=True)
        assert [name for _, name in new_things(world, before) if ref.id in name] == [], when
        assert world.running(ref) == 0, when
        world.provider().destroy(ref, everything=True)
        assert world.exists() == before, when


def test_killed_before_anything_was_made_it_is_missing(world: World, journal: Journal) -> None:
    """An intent without anything is no deployment: it is MISSING, and the next apply makes it."""
    entry = begin(world, journal)
    with pytest.raises(Killed):
        disturbed(world, entry, 0, "intend", be_killed)
    assert world.provider().status(entry.ref).state is State.MISSING
    assert bring_up(world, entry).changed
    assert world.running(entry.ref) == 1
