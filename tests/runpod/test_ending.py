"""Stop, start and destroy: nothing is said that was not read back, and nothing bills that is said to be gone."""

from __future__ import annotations

import pytest
from msgspec import structs
from tests.clouds.runpod.faults import DROPPED
from tests.runpod.rig import Rig

from plexctl.errors import CredentialsError, NoCapacityError, ProviderError
from plexctl.journal import Entry
from plexctl.spec import Limits
from plexctl.states import State


@pytest.fixture
def entry(rig: Rig) -> Entry:
    """Give a deployment whose pod runs."""
    one = rig.begin()
    rig.deploy(one)
    rig.until(lambda: rig.pod().status == "RUNNING")
    return one


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("status", [DROPPED, 500, 504])
def test_a_lost_answer_to_a_stop_is_looked_up(rig: Rig, entry: Entry, status: int, *, after: bool) -> None:
    """Sent again only where the pod shows that it runs on; stopped in the end, once."""
    rig.cloud.fail("stop", status, after=after, plain=True)
    rig.provider().stop(entry.ref)
    assert rig.pod().status == "EXITED"
    assert rig.cloud.mutations.count(f"stop pod {entry.ref.label}") == 1
    assert [kind for _, kind, _ in rig.cloud.billing()] == ["storage"]


def test_a_conflict_is_read_back(rig: Rig, entry: Entry) -> None:
    """409 because somebody else stopped it a moment before is no error; 409 while it runs on is one."""
    rig.cloud.fail("stop", 409, "action stop is not valid for status EXITED", times=None)
    with pytest.raises(ProviderError, match="does not stop: it bills on"):
        rig.provider().stop(entry.ref)
    rig.cloud.faults.clear()
    rig.provider().stop(entry.ref)
    rig.provider().stop(entry.ref)
    assert rig.provider().status(entry.ref).state is State.STOPPED


def test_a_pod_that_cannot_be_stopped_is_said_so(rig: Rig, entry: Entry) -> None:
    """RunPod's own list of actions counts, as for pods with a network volume: the way out is named."""
    rig.cloud.actions["RUNNING"] = ["terminate"]
    with pytest.raises(ProviderError) as caught:
        rig.provider().stop(entry.ref)
    assert "RunPod lets a pod like this only terminate" in caught.value.message
    assert "plexctl destroy" in str(caught.value.hint)


def test_a_stopped_pod_whose_gpu_was_taken(rig: Rig, entry: Entry) -> None:
    """A pod starts on its own host: without a free GPU there it is no capacity, and it stays stopped."""
    rig.provider().stop(entry.ref)
    rig.cloud.has_gpu_at_start = False
    with pytest.raises(NoCapacityError) as caught:
        rig.deploy(entry)
    assert "starts on its own host only" in caught.value.message
    assert "find another host" in str(caught.value.hint)
    assert rig.world.running(entry.ref) == 0


def test_a_pod_that_started_without_a_gpu_is_stopped_again(rig: Rig, entry: Entry) -> None:
    """It would bill and never talk; found by others, its status says why it fails."""
    rig.provider().stop(entry.ref)
    rig.cloud.has_gpu_at_start = None
    with pytest.raises(NoCapacityError, match="started without a GPU and was stopped again"):
        rig.deploy(entry)
    assert rig.world.running(entry.ref) == 0
    rig.pod().forced = "RUNNING"
    status = rig.provider().status(entry.ref)
    assert (status.state, "without a GPU" in status.detail) == (State.FAILED, True)


def test_a_pod_that_is_started_lives_for_its_whole_time(rig: Rig) -> None:
    """The hour at which it ends was that of its first start: a start renews it, before the container runs."""
    spec, entry = structs.replace(rig.spec(), limits=Limits(ttl_s=3600)), rig.begin()
    rig.deploy(entry, spec)
    rig.provider().stop(entry.ref)
    rig.cloud.clock.sleep(7200)
    rig.deploy(entry, spec)
    ends_at = float(rig.pod().body["env"]["PLEXCTL_EXPIRES_AT"])
    assert ends_at == pytest.approx(rig.cloud.clock.wall() + 3600, abs=30)
    assert [one.split()[0] for one in rig.cloud.mutations] == ["create", "stop", "update", "start"]


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("status", [DROPPED, 500, 404])
def test_a_failed_answer_to_a_delete_is_looked_up(rig: Rig, entry: Entry, status: int, *, after: bool) -> None:
    """Gone in the end, whatever was answered once; 404 while it is still listed is asked again."""
    rig.cloud.fail("delete", status, after=after)
    (removed,) = rig.provider().destroy(entry.ref).removed
    assert removed.name == entry.ref.label
    assert rig.cloud.billing() == []
    assert rig.provider().destroy(entry.ref).removed == ()


def test_a_delete_that_fails_on_is_no_success(rig: Rig, entry: Entry) -> None:
    """500 and still listed: an error that says that it may bill; a later destroy ends it."""
    rig.cloud.fail("delete", 500, times=None)
    with pytest.raises(ProviderError) as caught:
        rig.provider().destroy(entry.ref)
    assert caught.value.exit_code == 8
    assert "still there" in caught.value.message
    assert "may bill" in caught.value.message
    rig.cloud.faults.clear()
    assert len(rig.provider().find(None)) == 1
    rig.provider().destroy(entry.ref)
    assert rig.cloud.billing() == []


def test_a_list_that_fails_is_no_success(rig: Rig, entry: Entry) -> None:
    """Whoever cannot read back does not say that it is gone."""
    rig.cloud.fail("list", 500, times=None)
    with pytest.raises(ProviderError):
        rig.provider().destroy(entry.ref)
    rig.cloud.faults.clear()
    rig.cloud.fail("list", 401, "invalid API key")
    with pytest.raises(CredentialsError):
        rig.provider().destroy(entry.ref)


def test_two_of_one_name_are_ended_both(rig: Rig, entry: Entry) -> None:
    """Names are not unique at RunPod: whatever somebody else made twice, destroy leaves none."""
    rig.cloud.do(rig.cloud.calls.create(dict(rig.pod().body)))
    assert len(rig.cloud.named(entry.ref.label)) == 2
    assert len(rig.provider().find(None)) == 1
    assert len(rig.provider().destroy(entry.ref).removed) == 2
    assert rig.cloud.billing() == []


def test_a_second_pod_that_came_late_is_ended(rig: Rig, entry: Entry) -> None:
    """The next deploy keeps the one that is recorded, and ends what bills beside it."""
    recorded = rig.pod().id
    rig.cloud.do(rig.cloud.calls.create(dict(rig.pod().body)))
    assert not rig.deploy(entry).changed
    assert list(rig.cloud.pods) == [recorded]


def test_other_peoples_pods_are_left_alone(rig: Rig, entry: Entry) -> None:
    """Only names that are plexctl's are found, and of those only the one that was asked for is ended."""
    for name in ("mine", "plexctl-", "plexctl-Voice-abc234", "plexctl-voice-two-abc234"):
        rig.cloud.do(rig.cloud.calls.create({**rig.pod().body, "name": name}))
    assert [ref.name for ref in rig.provider().find(None)] == ["voice", "voice-two"]
    rig.provider().destroy(entry.ref)
    assert len(rig.cloud.pods) == 4


def test_a_gateway_whose_time_is_over_ends_its_pod(real: Rig) -> None:
    """The real gateway, its own hour and the pod's own key: nothing bills afterwards, and nobody had to be there."""
    spec, entry = structs.replace(real.spec(), limits=Limits(ttl_s=1.5)), real.begin()
    real.deploy(entry, spec)
    real.wait(lambda: not real.cloud.pods)
    assert real.cloud.billing() == []
    assert real.provider().status(entry.ref).state is State.MISSING
    (ended,) = [one for one in real.cloud.seen if one.operation == "delete"]
    assert ended.headers["Authorization"].startswith("Bearer pod-key-")
