"""After a destroy: nothing, or what it says is kept; and never a success that was not read back."""

from __future__ import annotations

import pytest
from tests.contract.steps import begin, bring_up, new_things
from tests.contract.worlds import World

from plexctl.errors import ProviderError
from plexctl.journal import Journal


def test_destroy_with_everything_leaves_nothing(world: World, journal: Journal) -> None:
    """What was not there before the deploy is not there after it, and nothing is said to be kept."""
    before, entry = world.exists(), begin(world, journal)
    ref = bring_up(world, entry).ref
    removal = world.provider().destroy(ref, everything=True)
    assert world.exists() == before
    assert {(one.kind, one.name) for one in removal.kept} <= set(before)
    assert world.provider().find(None) == []
    assert world.provider().destroy(ref, everything=True).removed == ()


def test_what_destroy_keeps_it_names(world: World, journal: Journal) -> None:
    """What is left is exactly what is said to be kept, each with a reason; a destroy with everything takes it."""
    before, entry = world.exists(), begin(world, journal)
    ref = bring_up(world, entry).ref
    removal = world.provider().destroy(ref)
    kept = {(one.kind, one.name): one.why for one in removal.kept}
    removed = {(one.kind, one.name) for one in removal.removed}
    assert set(new_things(world, before)) == kept.keys() - set(before)
    assert all(kept.values())
    assert {(one.kind, one.name) for one in ref.resources} <= removed | kept.keys()
    assert not removed & set(world.exists())
    assert world.running(ref) == 0
    world.provider().destroy(ref, everything=True)
    assert world.exists() == before


def test_what_was_kept_is_used_again(world: World, journal: Journal) -> None:
    """A deploy after a plain destroy ends with one of everything, as the first did."""
    entry = begin(world, journal)
    first = bring_up(world, entry).ref
    things = world.exists()
    world.provider().destroy(first)
    assert bring_up(world, entry).changed
    assert world.exists() == things
    assert world.running(entry.ref) == 1


def test_a_destroy_leaves_other_deployments_alone(world: World, journal: Journal) -> None:
    """With everything of one gone, the other is as it was, down to what both shared."""
    other = begin(world, journal, "other")
    bring_up(world, other, "other")
    things = world.exists()
    ref = bring_up(world, begin(world, journal)).ref
    world.provider().destroy(ref, everything=True)
    assert world.exists() == things
    calls = world.mutations()
    assert not bring_up(world, other, "other").changed
    assert world.mutations() == calls
    assert world.running(other.ref) == 1


def test_a_delete_that_did_nothing_is_no_success(world: World, journal: Journal) -> None:
    """The provider says deleted, and it is still there: that is an error, and the next destroy removes it."""
    before, entry = world.exists(), begin(world, journal)
    ref = bring_up(world, entry).ref
    world.keep_the_next_deleted()
    with pytest.raises(ProviderError):
        world.provider().destroy(ref, everything=True)
    assert entry.ref == ref
    assert new_things(world, before)
    world.provider().destroy(ref, everything=True)
    assert world.exists() == before
