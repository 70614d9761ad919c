"""Instances on OVHcloud's side: what is offered, made once, shelved, deleted, and read back each time."""

from __future__ import annotations

import pytest
from msgspec import structs
from tests.clouds.ovh.state import PROJECT
from tests.ovh.rig import TOKEN, Rig, l4

from plexctl.errors import (
    ConfigurationError,
    CredentialsError,
    NoCapacityError,
    NotFoundError,
    PlexError,
    PreflightError,
    ProviderError,
)
from plexctl.model import Level, Need, Offer, Ref
from plexctl.states import State
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers.ovh.instance_rows import STATE_MAP, Instance, resource_in, status_of


def test_what_is_listed_and_cannot_be_had_is_not_offered(rig: Rig) -> None:
    """Out of stock, and a quota of 0, are no offers; larger flavours with several GPUs are not taken for CPUs."""
    rig.cloud.flavour("l4-90", "DE1").quota = 0
    found = {(one.gpu, one.region) for one in rig.provider().offers(Need())}
    assert ("L4", "GRA11") in found
    assert ("L4", "DE1") not in found
    assert ("L40S", "DE1") not in found
    assert {one for one in found if one[0] is None} == {(None, "GRA11"), (None, "DE1")}
    plain = [one.detail["flavor"] for one in rig.provider().offers(Need()) if one.gpu is None]
    assert plain == ["d2-2", "d2-2"]


@pytest.mark.parametrize(("name", "value", "says"), [("available", False, "out of stock"), ("quota", 0, "quota")])
def test_an_offer_that_cannot_be_had_is_a_finding_and_an_error(rig: Rig, name: str, value: object, says: str) -> None:
    """The catalogue still has it: the check says why not, and an apply creates nothing."""
    for flavour in rig.cloud.flavours:
        setattr(flavour, name, value)
    (found,) = rig.provider().check_offer(rig.spec(), l4())
    assert found.level is Level.FAIL
    assert says in found.message
    with pytest.raises(PreflightError if name == "quota" else NoCapacityError) as caught:
        rig.deploy(rig.begin())
    assert says in caught.value.message
    assert rig.cloud.mutations == []


def test_an_offer_that_can_be_had_is_said_to_be(rig: Rig) -> None:
    """With its flavour, its region and what the project may still start."""
    (found,) = rig.provider().check_offer(rig.spec(), l4())
    assert (found.level, found.message) == (Level.OK, "l4-90 is in stock in GRA11, and the project may start 5 more")


def test_a_plan_of_no_gpu_takes_the_smallest_flavour(rig: Rig) -> None:
    """Also where no flavour was offered by name; what is out of stock is passed over."""
    rig.cloud.flavour("d2-2").available = False
    offer = Offer("ovh", None, 0, "GRA11", None, "a test", None)
    entry = rig.begin(structs.replace(rig.spec(), engine="echo"), offer)
    rig.deploy(entry, offer)
    (made,) = rig.cloud.instances.values()
    assert made.body["flavor"]["id"] == rig.cloud.flavour("b3-8").id


def test_the_only_project_is_taken_and_of_several_one_must_be_named(rig: Rig) -> None:
    """One project needs no name; two are named in the error; none is another; a wrong one is a finding."""
    nameless = rig.spec(project=None)
    (found,) = rig.provider(nameless).preflight(nameless)
    assert PROJECT in found.message
    rig.cloud.projects.append("another")
    with pytest.raises(ConfigurationError, match="another"):
        rig.provider(nameless).preflight(nameless)
    (wrong,) = rig.provider().preflight(rig.spec(project="nobodys"))
    assert (wrong.level, "nobodys" in wrong.message) == (Level.FAIL, True)
    rig.cloud.projects.clear()
    with pytest.raises(PreflightError):
        rig.provider(nameless).preflight(nameless)


def test_an_image_that_is_not_there_names_those_that_are_like_it(rig: Rig) -> None:
    """Nothing is created for it."""
    spec = rig.spec(image="Ubuntu 26.04")
    with pytest.raises(PreflightError) as caught:
        rig.deploy(rig.begin(spec))
    assert "Ubuntu 24.04" in str(caught.value.hint)
    assert rig.cloud.mutations == []


def test_the_id_is_journaled_from_the_part_of_an_operation(rig: Rig) -> None:
    """The operation tells late, in its sub-operation, what it made: that is the id; where it is stands beside it."""
    entry = rig.begin()
    rig.deploy(entry)
    recorded = entry.ref.first("instance")
    (made,) = rig.cloud.instances.values()
    assert recorded is not None
    assert (recorded.id, dict(recorded.detail)) == (
        made.id,
        {"project": PROJECT, "region": "GRA11", "user": "ubuntu"},
    )
    assert resource_in({"resourceId": None, "subOperations": [{"subOperations": [{"resourceId": "x"}]}]}) == "x"
    assert resource_in({"subOperations": None}) is None


def test_no_secret_is_in_user_data_or_any_request(rig: Rig) -> None:
    """The token goes by ssh alone; of the keys only the injected host key's private half is in user data."""
    entry = rig.begin()
    rig.deploy(entry)
    assert [one.path for one in rig.cloud.seen if TOKEN in f"{one.path} {one.headers} {one.body}"] == []
    (made,) = rig.cloud.instances.values()
    pair = keys_of(rig.home, entry.ref.id).pair()
    assert pair is not None
    assert pair.private.reveal().splitlines()[2] not in made.body["userData"]
    assert pair.public in made.body["userData"]
    assert made.body["sshKey"] == {"name": entry.ref.label}


def test_an_operation_in_error_is_an_error_and_leaves_a_key_to_remove(rig: Rig) -> None:
    """ProviderError that says so; a destroy leaves nothing, neither there nor here."""
    rig.cloud.is_in_error = True
    entry = rig.begin()
    with pytest.raises(ProviderError, match="in-error"):
        rig.deploy(entry)
    rig.provider().destroy(entry.ref)
    assert (rig.cloud.instances, rig.cloud.keys) == ({}, {})
    assert not keys_of(rig.home, entry.ref.id).folder.exists()


@pytest.mark.parametrize("operation", ["create", "add-key"])
@pytest.mark.parametrize("status", [0, 500, 502, 504])
def test_a_lost_answer_is_looked_up_and_nothing_is_made_twice(rig: Rig, operation: str, status: int) -> None:
    """It took effect and nobody heard: found by its name at once, recorded, and there is one of everything."""
    rig.cloud.fail(operation, status, after=True, plain=status != 0)
    entry = rig.begin()
    rig.deploy(entry)
    assert [len(rig.cloud.instances), len(rig.cloud.keys)] == [1, 1]
    assert all(one.id for one in entry.ref.resources)
    assert not rig.deploy(entry).changed


def test_a_request_that_came_too_often_is_asked_again(rig: Rig) -> None:
    """429 did nothing: the create goes through in the end, once."""
    rig.cloud.fail("create", 429, times=2)
    rig.deploy(rig.begin())
    assert rig.operations().count("create") == 3
    assert len(rig.cloud.instances) == 1


def test_reading_outlasts_failures_of_ovhclouds(rig: Rig) -> None:
    """Three errors in a row, of three kinds, are asked past; a fourth is told."""
    for status in (500, 503, 429):
        rig.cloud.fail("flavors", status)
    assert rig.provider().offers(Need())
    rig.cloud.fail("flavors", 500, times=None)
    with pytest.raises(ProviderError):
        rig.provider().offers(Need())


def test_a_slow_build_is_creating_and_a_broken_one_an_error(rig: Rig) -> None:
    """As long as it is BUILD nothing is done; ERROR ends the start with OVHcloud's word."""
    rig.cloud.build_s = 3600
    entry = rig.begin()
    rig.deploy(entry)
    provider, plan = rig.provider(), rig.plan()
    assert provider.proceed(plan, entry).state is State.CREATING
    (made,) = rig.cloud.instances.values()
    made.forced = "ERROR"
    with pytest.raises(ProviderError, match="ERROR"):
        provider.proceed(plan, entry)
    rig.cloud.instances.clear()
    with pytest.raises(ProviderError, match="is gone"):
        provider.proceed(plan, entry)


def test_an_outage_in_the_middle_of_a_start_is_waited_out(rig: Rig) -> None:
    """While OVHcloud does not answer the start goes on being one; what it refuses ends it."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.cloud.fail("instances", 503, times=None)
    waiting = rig.provider().proceed(rig.plan(), entry)
    assert (waiting.state, "503" in waiting.detail) == (State.CREATING, True)
    rig.cloud.faults.clear()
    rig.cloud.door.consumers = dict.fromkeys(rig.cloud.door.consumers, "expired")
    with pytest.raises(CredentialsError):
        rig.provider().proceed(rig.plan(), entry)


def test_what_cannot_be_asked_goes_as_a_whole(rig: Rig) -> None:
    """Nobody answers ssh there: a destroy says that the instance goes, a stop shelves it, its status is told."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.cloud.clock.sleep(1)
    assert rig.provider().holdings(entry.ref) == [f"instance {entry.ref.label} as a whole"]
    assert rig.provider().status(entry.ref).state is State.CREATING
    rig.provider().stop(entry.ref)
    assert rig.provider().status(entry.ref).state is State.STOPPED


def test_stop_shelves_and_apply_brings_it_back(rig: Rig) -> None:
    """Shelved is stopped, read back; a second stop asks for nothing; what was switched off elsewhere is shelved too."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.cloud.clock.sleep(1)
    rig.provider().stop(entry.ref)
    rig.provider().stop(entry.ref)
    assert [one.split()[0] for one in rig.cloud.mutations] == ["create", "create", "shelve"]
    assert rig.provider().status(entry.ref).state is State.STOPPED
    assert rig.deploy(entry).changed
    (made,) = rig.cloud.instances.values()
    assert made.status == "ACTIVE"
    made.status = "SHUTOFF"
    assert rig.deploy(entry).changed
    made.status = "SHUTOFF"
    rig.provider().stop(entry.ref)
    assert made.status == "SHELVED_OFFLOADED"


def test_a_shelving_that_did_nothing_is_no_success(rig: Rig) -> None:
    """OVHcloud says yes, and it runs on: that is an error that says that it bills."""
    entry = rig.begin()
    rig.deploy(entry)
    (made,) = rig.cloud.instances.values()
    made.forced = "ACTIVE"
    with pytest.raises(ProviderError, match="told to shelve") as caught:
        rig.provider().stop(entry.ref)
    assert "bills on" in str(caught.value.hint)


def test_what_broke_is_deleted_by_a_stop_and_made_anew_by_an_apply(rig: Rig) -> None:
    """An instance in ERROR cannot be shelved and may bill; a new one takes its place, and there is one."""
    entry = rig.begin()
    rig.deploy(entry)
    (first,) = rig.cloud.instances.values()
    first.forced = "ERROR"
    rig.deploy(entry)
    (second,) = rig.cloud.instances.values()
    assert second.id != first.id
    second.forced = "ERROR"
    rig.provider().stop(entry.ref)
    assert rig.cloud.instances == {}


def test_a_delete_is_read_back(rig: Rig) -> None:
    """OVHcloud says deleted and it is still there: an error; a delete that it did not answer counts when it is gone."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.cloud.keeps_deleted = 1
    with pytest.raises(ProviderError, match="was deleted"):
        rig.provider().destroy(entry.ref)
    rig.cloud.fail("delete", 502, after=True, plain=True)
    removed = rig.provider().destroy(entry.ref).removed
    assert {one.kind for one in removed} == {"instance", "ssh-key"}
    assert (rig.cloud.instances, rig.cloud.keys) == ({}, {})


def test_everything_is_found_without_a_record(rig: Rig) -> None:
    """By names, in all regions and projects; a key that was left behind is found too, and goes with a destroy."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.cloud.instances.clear()
    (left,) = rig.provider().find(None)
    assert (left.name, left.id, [one.kind for one in left.resources]) == ("voice", entry.ref.id, ["ssh-key"])
    assert rig.provider().status(left).state is State.MISSING
    rig.provider().destroy(left)
    assert rig.cloud.keys == {}
    assert rig.provider().find(None) == []


def test_without_an_instance_there_is_nothing_to_log_in_to(rig: Rig) -> None:
    """A tunnel and a shell are NotFoundError; holdings are none."""
    ref = Ref("ovh", "voice", "abc234")
    assert rig.provider().holdings(ref) == []
    for ask in (rig.provider().shell, rig.provider().tunnel):
        with pytest.raises(NotFoundError):
            ask(ref)


@pytest.mark.parametrize("name", [*STATE_MAP, "HIBERNATING", ""])
def test_each_state_of_an_instance_is_one_of_ours(name: str) -> None:
    """Documented ones have a state and words; anything else is UNKNOWN and is quoted."""
    status = status_of(Instance("1", "plexctl-voice-abc", PROJECT, "GRA11", name, "", ()))
    assert (status.state is State.UNKNOWN) == (name not in STATE_MAP)
    assert status.detail


def test_several_regions_are_read_side_by_side_and_one_that_fails_is_told(rig: Rig) -> None:
    """A region that cannot be read is an error: what bills there would be out of sight."""
    rig.cloud.fail("instances", 500, times=None)
    with pytest.raises(PlexError):
        rig.provider().find(None)
