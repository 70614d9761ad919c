"""Ending: what is said to have ended was read back, and what still bills is named."""

from __future__ import annotations

import pytest
from tests.clouds.vast.faults import BROKEN, LATE, TOO_SOON, Answer
from tests.clouds.vast.world import VastWorld
from tests.contract.steps import begin, bring_up

from plexctl.errors import NoCapacityError, ProviderError
from plexctl.journal import Journal
from plexctl.model import Ref
from plexctl.states import State

UNAVAILABLE = Answer.refusal(
    400, "resources_unavailable", "Required resources are currently unavailable, state change queued."
)


def test_a_destroy_that_failed_and_left_it_is_no_success(world: VastWorld, journal: Journal) -> None:
    """500 each time, and still listed: exit 8 and the instance's id; the next destroy ends it."""
    ref = bring_up(world, begin(world, journal)).ref
    world.cloud.fail("destroy", BROKEN, times=4)
    with pytest.raises(ProviderError, match=r"instance 9000 is still there \(.*500.*\)") as caught:
        world.provider().destroy(ref)
    assert caught.value.exit_code == 8
    assert "bills on" in (caught.value.hint or "")
    assert world.provider().find("voice")[0].id == ref.id
    assert len(world.provider().destroy(ref).removed) == 1
    assert world.cloud.bills() == {}


@pytest.mark.parametrize("answer", [BROKEN, LATE, None])
def test_a_destroy_whose_answers_are_lost_is_read_back(
    world: VastWorld, journal: Journal, answer: Answer | None
) -> None:
    """It took effect, nobody said so: that it is gone is what counts."""
    ref = bring_up(world, begin(world, journal)).ref
    world.cloud.fail("destroy", answer, after=True)
    assert len(world.provider().destroy(ref).removed) == 1
    assert world.exists() == []


def test_a_destroy_that_cannot_be_read_back_is_no_success(world: VastWorld, journal: Journal) -> None:
    """Gone or not: as long as Vast does not tell, nobody says that it is."""
    ref = bring_up(world, begin(world, journal)).ref
    world.cloud.fail("show", BROKEN, times=99)
    with pytest.raises(ProviderError, match="see that instance 9000 is gone"):
        world.provider().destroy(ref)


def test_each_of_several_is_ended_whatever_becomes_of_the_others(world: VastWorld, journal: Journal) -> None:
    """Two of a label: the first cannot be read back, or does not stop; the second ends all the same."""
    ref = bring_up(world, begin(world, journal)).ref
    world.cloud._run(world.cloud._make(world.cloud.asks[1], world.cloud.instances[9000].body))
    world.cloud.fail("manage", BROKEN, times=4)
    with pytest.raises(ProviderError, match="cannot stop instance 9000"):
        world.provider().stop(ref)
    assert [one.intended for one in world.cloud.instances.values()] == ["running", "stopped"]
    world.cloud.fail("show", BROKEN, times=4)
    with pytest.raises(ProviderError, match="see that instance 9000 is gone"):
        world.provider().destroy(ref)
    assert world.cloud.bills() == {}


def test_a_list_that_fails_is_not_nothing(world: VastWorld, journal: Journal) -> None:
    """The storm of launches began with a list that answered an error, which was taken for an empty one."""
    ref = bring_up(world, begin(world, journal)).ref
    world.cloud.fail("list", Answer.refusal(410, "deprecated_endpoint", "gone"), times=9)
    for call in (lambda: world.provider().find(None), lambda: world.provider().destroy(ref)):
        with pytest.raises(ProviderError, match="410"):
            call()
    assert len(world.cloud.instances) == 1


def test_what_is_stopped_bills_its_disk(world: VastWorld, journal: Journal) -> None:
    """The GPU is given back, the disk is not; status says so, and destroy ends that too."""
    ref = bring_up(world, begin(world, journal)).ref
    assert [set(one) for one in world.cloud.bills().values()] == [{"gpu", "disk"}]
    world.provider().stop(ref)
    assert [set(one) for one in world.cloud.bills().values()] == [{"disk"}]
    status = world.provider().status(ref)
    assert status.state is State.STOPPED
    assert "its disk bills on" in status.detail
    world.provider().destroy(ref)
    assert world.cloud.bills() == {}
    assert world.cloud.spent > 0


def test_a_stop_that_does_nothing_is_no_success(world: VastWorld, journal: Journal) -> None:
    """Answered as done, and running on: said, with what to do."""
    ref = bring_up(world, begin(world, journal)).ref
    world.cloud.fail("manage", Answer.of(200, {"success": True}))
    with pytest.raises(ProviderError, match="instance 9000 was told to stop and is running"):
        world.provider().stop(ref)


def test_a_start_without_a_gpu_is_not_left_waiting(world: VastWorld, journal: Journal) -> None:
    """Vast would start it, and bill it, whenever the GPU is free again: the order is taken back."""
    entry = begin(world, journal)
    ref = bring_up(world, entry).ref
    world.provider().stop(ref)
    world.cloud.fail("manage", UNAVAILABLE)
    with pytest.raises(NoCapacityError, match="state change queued"):
        bring_up(world, entry)
    orders = [one.body["state"] for one in world.cloud.requests if one.operation == "manage"]
    assert orders == ["stopped", "running", "stopped"]
    assert world.running(ref) == 0


def test_a_start_after_the_end_of_its_time_is_another_instance(world: VastWorld, journal: Journal) -> None:
    """The expiry in its environment is over and cannot be changed: it is removed, and rented anew."""
    entry = begin(world, journal)
    bring_up(world, entry)
    world.provider().stop(entry.ref)
    (old,) = world.cloud.instances.values()
    old.body["env"]["PLEXCTL_EXPIRES_AT"] = f"{world.cloud.clock.wall() - 1:.0f}"
    assert bring_up(world, entry).changed
    assert list(world.cloud.instances) == [9001]


def test_what_was_made_with_other_settings_is_not_started(world: VastWorld, journal: Journal) -> None:
    """A stopped instance keeps the environment that it was made with: another one is rented instead."""
    entry = begin(world, journal)
    bring_up(world, entry)
    world.provider().stop(entry.ref)
    (old,) = world.cloud.instances.values()
    old.body["env"]["PLEXCTL_VOICE"] = "NATM1.pt"
    bring_up(world, entry)
    assert list(world.cloud.instances) == [9001]


def test_a_host_that_is_gone_makes_room(world: VastWorld, journal: Journal) -> None:
    """Offline never becomes running: the instance is removed, and another host is rented."""
    entry = begin(world, journal)
    bring_up(world, entry)
    next(iter(world.cloud.instances.values())).forced = "offline"
    bring_up(world, entry)
    assert list(world.cloud.instances) == [9001]
    assert [one.id for one in entry.ref.resources] == ["9001"]


def test_everything_of_a_label_is_found_and_ended(world: VastWorld, journal: Journal) -> None:
    """More than two pages of instances, most of them somebody else's: two of the label, both ended."""
    ref = bring_up(world, begin(world, journal)).ref
    (mine,) = world.cloud.instances.values()
    for number in range(60):
        world.cloud._make(world.cloud.asks[1], {**mine.body, "label": f"theirs {number}"})
    world.cloud._make(world.cloud.asks[2], mine.body)
    (found,) = world.provider().find(None)
    assert [one.id for one in found.resources] == ["9000", "9061"]
    assert len(world.provider().destroy(Ref("vast", "voice", ref.id)).removed) == 2
    assert len(world.cloud.instances) == 60


def test_a_list_without_an_end_ends(world: VastWorld, journal: Journal) -> None:
    """A `next_token` with every page, which hung the vendor's client: a page of nothing new is the last."""
    bring_up(world, begin(world, journal))
    one = world.cloud.instances[9000].row(world.cloud.clock.now())
    endless = Answer.of(200, {"instances": [one], "next_token": "9000"})
    world.cloud.fail("list", endless, times=5)
    assert len(world.provider().find(None)) == 1


def test_a_destroy_too_soon_waits(world: VastWorld, journal: Journal) -> None:
    """429 in plain text: waited for, asked again."""
    ref = bring_up(world, begin(world, journal)).ref
    world.cloud.fail("destroy", TOO_SOON)
    world.provider().destroy(ref)
    assert world.exists() == []
    assert world.cloud.too_soon == []
