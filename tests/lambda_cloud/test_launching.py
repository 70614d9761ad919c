from __future__ import annotations

import pytest
from tests.clouds.lambda_cloud.server import LAUNCH
from tests.clouds.lambda_cloud.state import region
from tests.lambda_cloud.rig import Rig

from plexctl.errors import ConflictError, NoCapacityError, PreflightError, ProviderError
from plexctl.secret import Secret
from plexctl.states import State
from plexctl_providers._common.on_host.keeping import keys_of

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICN+lJwsONkwrdsSnQsu1ydUkIuIg5oOC+Eslvmtt60T"


def test_capacity_is_read_before_anything_is_made(rig: Rig) -> None:
    """What is sold out by now, or has no region at all, is no capacity: nothing is created, not even a key."""
    plan = rig.plan()
    rig.cloud.types[0].regions = []
    with pytest.raises(NoCapacityError, match=r"gpu_1x_a10 \(A10\) in us-east-1"):
        rig.apply(rig.begin_with(plan), plan)
    assert rig.cloud.mutations == []


def test_without_a_region_the_first_with_capacity_is_taken(rig: Rig) -> None:
    """One in which rulesets apply, as the plan has one; where only another has room, that is said."""
    plan = rig.plan(offer=rig.anywhere("H100 PCIe"))
    rig.apply(rig.begin(), plan)
    assert rig.instance().body["region_name"] == "us-west-1"
    rig.cloud.types[1].regions = ["us-south-1"]
    with pytest.raises(NoCapacityError, match="it has some in us-south-1"):
        rig.apply(rig.begin("other"), plan)


def test_where_rulesets_do_not_apply_none_is_made(rig: Rig) -> None:
    """In us-south-1 there is a key and an instance, whose own firewall is in its user data."""
    rig.apply(rig.begin(), rig.plan(offer=rig.offer("H100 PCIe", "us-south-1")))
    assert rig.cloud.rulesets == {}
    assert "ufw" in rig.instance().body["user_data"]


def test_a_launch_that_is_refused_makes_nothing_else(rig: Rig) -> None:
    """Listed and full all the same: no capacity, sent once, no instance recorded, and a destroy leaves nothing."""
    rig.cloud.full = {"us-east-1"}
    entry = rig.begin()
    with pytest.raises(NoCapacityError, match="Not enough capacity"):
        rig.apply(entry, rig.plan(rig.spec(file_system="weights")))
    assert rig.cloud.counted(LAUNCH) == 1
    assert [one.kind for one in entry.ref.resources] == ["ssh-key", "firewall-ruleset"]
    # A file system in the region that was full would keep the deployment out of every other.
    assert rig.cloud.systems == {}
    rig.destroy(entry.ref)
    assert rig.world.exists() == []


def test_keys_of_one_name_of_somebody_elses_do_no_harm(rig: Rig) -> None:
    """An account may hold two keys of one name: the deployment's is named by its hash, and is another."""
    for number in "12":
        rig.cloud.keys[number] = {"id": number, "name": "laptop", "public_key": f"{KEY} {number}"}
    entry = rig.begin()
    rig.apply(entry)
    assert rig.instance().body["ssh_key_names"] == [entry.ref.first("ssh-key").name]  # type: ignore[union-attr]
    rig.destroy(entry.ref)
    assert sorted(rig.cloud.keys) == ["1", "2"]


def test_a_doubled_key_of_its_own_is_one_again(rig: Rig) -> None:
    """A key that is there twice, as after a lost answer, would make every launch fail: one is adopted, one deleted."""
    entry = rig.begin()
    rig.cloud.fail(LAUNCH, 503, times=None)
    with pytest.raises(ProviderError):
        rig.apply(entry)
    rig.cloud.faults.clear()
    (key,) = rig.cloud.keys.values()
    rig.cloud.keys["0" * 32] = {**key, "id": "0" * 32}
    rig.apply(entry)
    assert list(rig.cloud.keys) == [key["id"]]
    assert rig.cloud.counted("POST /ssh-keys") == 1


def test_another_key_of_its_name_is_said(rig: Rig) -> None:
    """Somebody else's key by the name of the deployment's hash is no key of ours, and is left alone."""
    entry = rig.begin()
    rig.apply(entry)
    rig.provider().stop(entry.ref)
    (key,) = rig.cloud.keys.values()
    key["public_key"] = KEY
    with pytest.raises(ConflictError, match="it is another one"):
        rig.apply(entry)
    assert rig.cloud.living() == []


def test_a_launch_that_lambda_cannot_explain_names_the_keys(rig: Rig) -> None:
    """global/unknown is what two keys of one name have as effect: it is said, and nothing is launched twice."""
    rig.cloud.fail(LAUNCH, 500, "global/unknown")
    with pytest.raises(ProviderError) as caught:
        rig.apply(rig.begin())
    assert "two ssh keys of one name" in (caught.value.hint or "")
    assert rig.cloud.counted(LAUNCH) == 1


@pytest.mark.parametrize("status", [0, 500, 504])
def test_a_launch_whose_answer_was_lost_is_adopted(rig: Rig, status: int) -> None:
    """It is looked up by its name; there is one instance, its id is recorded, and it was asked for once."""
    rig.cloud.fail(LAUNCH, status, after=True)
    entry = rig.begin()
    assert rig.apply(entry).changed
    assert rig.cloud.counted(LAUNCH) == 1
    assert entry.ref.first("instance").id == rig.instance().id  # type: ignore[union-attr]


def test_a_launch_that_was_lost_before_it_took_effect_is_not_repeated(rig: Rig) -> None:
    """Nobody knows whether it will appear: that is an error; the next apply looks once more, and then launches."""
    rig.cloud.fail(LAUNCH, 0)
    entry = rig.begin()
    with pytest.raises(ProviderError, match="no answer from Lambda"):
        rig.apply(entry)
    assert rig.cloud.counted(LAUNCH) == 1
    assert entry.ref.first("instance").id is None  # type: ignore[union-attr]
    assert rig.apply(entry).changed
    assert rig.cloud.counted(LAUNCH) == 2
    assert entry.ref.first("instance").id == rig.instance().id  # type: ignore[union-attr]


def test_a_fault_behind_lambda_is_tried_again_after_a_look(rig: Rig) -> None:
    """provider/*: what was launched all the same is taken; where nothing was, it is launched again."""
    rig.cloud.fail(LAUNCH, 503, "provider/internal-unavailable")
    rig.apply(rig.begin())
    assert rig.cloud.counted(LAUNCH) == 2
    rig.cloud.fail(LAUNCH, 503, "provider/internal-unavailable", after=True)
    other = rig.begin("other")
    rig.apply(other, rig.plan(rig.spec("other")))
    assert rig.cloud.counted(LAUNCH) == 3
    assert rig.world.running(other.ref) == 1


def test_reads_outlast_an_outage(rig: Rig) -> None:
    """Each read fails three times in a row, in three ways: the deploy goes on as if nothing had been."""
    for path in ("/instances", "/instance-types", "/ssh-keys", "/firewall-rulesets"):
        rig.cloud.fail(f"GET {path}", 0)
        rig.cloud.fail(f"GET {path}", 502)
        rig.cloud.fail(f"GET {path}", 500, "provider/internal-unavailable")
    entry = rig.begin_with(rig.plan())
    rig.apply(entry)
    assert rig.world.running(entry.ref) == 1


def test_a_second_instance_that_came_late_is_ended(rig: Rig) -> None:
    """Two of one name, as when a lost launch appears after all: the recorded one stays."""
    entry = rig.begin()
    rig.apply(entry)
    mine = rig.instance()
    late = type(mine)("0" * 32, mine.body, mine.kind, mine.born, address=mine.address)
    rig.cloud.instances[late.id] = late
    assert not rig.apply(entry).changed
    assert rig.instance().id == mine.id


def test_an_unhealthy_instance_is_failed_and_replaced(rig: Rig) -> None:
    """It bills and will not work: FAILED, of which the candidate loop makes a bad host; an apply launches another."""
    entry = rig.begin()
    rig.cloud.is_unhealthy = True
    status = rig.deploy(entry)
    assert (status.state, "unhealthy" in status.detail) == (State.FAILED, True)
    first, rig.cloud.is_unhealthy = rig.instance(), False
    first.forced = "unhealthy"
    assert rig.deploy(entry).state is State.LOADING
    assert rig.instance().id != first.id


def test_a_slow_boot_is_waited_for(rig: Rig) -> None:
    """For twenty minutes it is CREATING, with words; then it goes on."""
    rig.cloud.boot_s = 1200
    entry = rig.begin()
    rig.apply(entry)
    status = rig.provider().proceed(rig.plan(), entry)
    assert (status.state, status.endpoint) == (State.CREATING, None)
    assert "boots" in status.detail
    assert rig.provider().status(entry.ref).state is State.CREATING
    rig.cloud.clock.sleep(1200)
    assert rig.provider().proceed(rig.plan(), entry).state is State.LOADING


def test_a_file_system_is_made_once_and_mounted(rig: Rig) -> None:
    """It is made where the instance is, mounted at the cache, and adopted by the next deployment."""
    plan = rig.plan(rig.spec(file_system="weights"))
    rig.apply(rig.begin(), plan)
    (system,) = rig.cloud.systems
    mounts = [{"mount_point": "/data/plexctl", "file_system_id": system}]
    assert rig.instance().body["file_system_mounts"] == mounts
    rig.apply(rig.begin("other"), rig.plan(rig.spec("other", file_system="weights")))
    assert [one.body["file_system_mounts"] for one in rig.cloud.living()] == [mounts, mounts]


def test_a_file_system_elsewhere_is_no_file_system(rig: Rig) -> None:
    """One of that name in another region cannot be mounted: nothing is made, and the error says where it is."""
    rig.cloud.systems["1"] = {"id": "1", "name": "weights", "region": region("us-west-1")}
    with pytest.raises(PreflightError, match="is in us-west-1, and the instance would be in us-east-1"):
        rig.apply(rig.begin(), rig.plan(rig.spec(file_system="weights")))
    assert rig.cloud.living() == []


def test_no_secret_is_in_anything_that_is_sent(rig: Rig) -> None:
    """Not the token, not the key that logs in: user data has one key's public half and the host key to be replaced."""
    entry = rig.begin()
    plan = rig.plan()
    rig.world.provider({"PLEXCTL_TOKEN": Secret("canary-1f2e")}).apply(plan, entry)
    pair = keys_of(rig.home, entry.ref.id).pair()
    assert pair is not None
    sent = "".join(f"{one.path} {one.headers} {one.body}" for one in rig.cloud.seen)
    assert "canary-1f2e" not in sent
    assert pair.private.reveal().splitlines()[2] not in sent
    assert pair.public.split()[1] in rig.instance().body["user_data"]
    assert "PLEXCTL_" not in rig.instance().body["user_data"]
