from __future__ import annotations

import pytest
from tests.clouds.lambda_cloud.state import region
from tests.lambda_cloud.rig import Rig

from plexctl.errors import ConflictError, CredentialsError, ProviderError
from plexctl.model import Ref
from plexctl.states import State

TERMINATE = "POST /instance-operations/terminate"


@pytest.mark.parametrize(
    ("status", "code"), [(400, "global/invalid-parameters"), (409, "global/conflict"), (503, ""), (0, "")]
)
def test_a_terminate_that_is_refused_is_asked_again(rig: Rig, status: int, code: str) -> None:
    """Refused once, or lost: it is looked at, asked again, and read back as gone."""
    entry = rig.begin()
    rig.apply(entry)
    rig.cloud.fail(TERMINATE, status, code)
    assert [one.kind for one in rig.destroy(entry.ref).removed] == ["instance", "ssh-key", "firewall-ruleset"]
    assert rig.cloud.counted(TERMINATE) == 2
    assert rig.world.exists() == []


def test_a_terminate_that_was_done_and_lost_is_not_asked_again(rig: Rig) -> None:
    """The look tells that it is terminating: that is enough."""
    entry = rig.begin()
    rig.apply(entry)
    rig.cloud.fail(TERMINATE, 504, after=True)
    rig.destroy(entry.ref)
    assert rig.cloud.counted(TERMINATE) == 1
    assert rig.world.exists() == []


def test_a_terminate_that_is_always_refused_is_an_error(rig: Rig) -> None:
    """Asked four times, it says why, that it bills on, and what to do; key and ruleset are still there for the next."""
    entry = rig.begin()
    rig.apply(entry)
    rig.cloud.fail(TERMINATE, 409, "global/conflict", message="an action is in progress", times=None)
    with pytest.raises(ProviderError, match=r"is still there .*an action is in progress") as caught:
        rig.destroy(entry.ref)
    assert "it bills on" in (caught.value.hint or "")
    assert rig.cloud.counted(TERMINATE) == 4
    rig.cloud.faults.clear()
    rig.destroy(entry.ref)
    assert rig.world.exists() == []


def test_a_key_that_is_refused_ends_it_at_once(rig: Rig) -> None:
    """Nobody can terminate without a key: that is said, and not tried again."""
    entry = rig.begin()
    rig.apply(entry)
    rig.cloud.fail(TERMINATE, 403, "global/forbidden")
    with pytest.raises(CredentialsError):
        rig.destroy(entry.ref)
    assert rig.cloud.counted(TERMINATE) == 1


def test_terminating_is_not_gone(rig: Rig) -> None:
    """A destroy that comes while it terminates waits until it is gone, without asking again."""
    rig.cloud.end_s = 300
    entry = rig.begin()
    rig.apply(entry)
    first = rig.instance()
    first.ends_at = rig.cloud.clock.now() + 300
    rig.destroy(entry.ref)
    assert rig.cloud.counted(TERMINATE) == 0
    assert rig.world.exists() == []


def test_what_terminates_for_ever_is_an_error(rig: Rig) -> None:
    """A quarter of an hour is waited; then it is said that it is still there."""
    rig.cloud.end_s = 1e9
    entry = rig.begin()
    rig.apply(entry)
    with pytest.raises(ProviderError, match="still there"):
        rig.destroy(entry.ref)


def test_a_ruleset_in_use_is_waited_for(rig: Rig) -> None:
    """It is in use for a while after the instance is gone: asked again until it is free."""
    entry = rig.begin()
    rig.apply(entry)
    for _ in range(3):
        rig.cloud.fail("DELETE /firewall-rulesets/{id}", 400, "firewall-rulesets/firewall-ruleset-in-use")
    rig.destroy(entry.ref)
    assert rig.world.exists() == []


def test_a_ruleset_that_somebody_else_uses_is_an_error(rig: Rig) -> None:
    """After two minutes: nothing bills any more, and what is left is named."""
    entry = rig.begin()
    rig.apply(entry)
    code = "firewall-rulesets/firewall-ruleset-in-use"
    rig.cloud.fail("DELETE /firewall-rulesets/{id}", 400, code, times=None)
    with pytest.raises(ConflictError, match="delete the firewall-ruleset"):
        rig.destroy(entry.ref)
    assert rig.cloud.living() == []


def test_deletes_that_did_nothing_are_no_success(rig: Rig) -> None:
    """Answered as deleted and still listed: an error, for the key as for the ruleset."""
    entry = rig.begin()
    rig.apply(entry)
    rig.cloud.fail("DELETE /ssh-keys/{id}", 200, text='{"data": {}}')
    with pytest.raises(ProviderError, match=r"ssh-key .* was deleted, and it is still there"):
        rig.destroy(entry.ref)
    rig.cloud.fail("DELETE /firewall-rulesets/{id}", 200, text='{"data": {}}')
    with pytest.raises(ProviderError, match=r"firewall-ruleset .* was deleted, and it is still there"):
        rig.destroy(entry.ref)
    rig.destroy(entry.ref)
    assert rig.world.exists() == []


def test_stop_terminates_and_keeps_what_a_start_needs(rig: Rig) -> None:
    """The instance is read back as gone; key, ruleset and file system stay, and a start launches anew."""
    entry, plan = rig.begin(), rig.plan(rig.spec(file_system="weights"))
    rig.deploy(entry, plan)
    first = rig.instance().id
    rig.provider().stop(entry.ref)
    assert [kind for kind, _ in rig.world.exists()] == ["file-system", "firewall-ruleset", "ssh-key"]
    status = rig.provider().status(entry.ref)
    assert (status.state, "plexctl start" in status.detail) == (State.STOPPED, True)
    keys = dict(rig.cloud.keys)
    assert rig.deploy(entry, plan).state is State.LOADING
    assert rig.instance().id != first
    assert rig.cloud.keys == keys


def test_a_file_system_is_kept_and_told_with_its_price(rig: Rig) -> None:
    """Its size and what it costs are said; with everything it goes, as plexctl made it."""
    entry, plan = rig.begin(), rig.plan(rig.spec(file_system="weights"))
    rig.deploy(entry, plan)
    (system,) = rig.cloud.systems.values()
    system["bytes_used"] = 17_200_000_000
    (kept,) = rig.destroy(entry.ref).kept
    assert (kept.kind, kept.name) == ("file-system", "weights")
    assert "17.2 GB" in kept.why
    assert "0.20 USD" in kept.why
    removal = rig.destroy(entry.ref, everything=True)
    assert ([one.kind for one in removal.removed], removal.kept) == (["file-system"], ())
    assert rig.world.exists() == []


def test_a_file_system_that_was_there_before_is_never_removed(rig: Rig) -> None:
    """Whoever made it, it was not plexctl: with everything it stays, and is named."""
    rig.cloud.systems["1"] = {"id": "1", "name": "weights", "region": region("us-east-1")}
    entry = rig.begin()
    rig.apply(entry, rig.plan(rig.spec(file_system="weights")))
    (kept,) = rig.destroy(entry.ref, everything=True).kept
    assert "not known to be plexctl's own" in kept.why
    assert list(rig.cloud.systems) == ["1"]


def test_a_file_system_in_use_stays(rig: Rig) -> None:
    """Another deployment has it mounted: a destroy with everything leaves it, and says why."""
    entry, plan = rig.begin(), rig.plan(rig.spec(file_system="weights"))
    rig.apply(entry, plan)
    rig.apply(rig.begin("other"), rig.plan(rig.spec("other", file_system="weights")))
    (kept,) = rig.destroy(entry.ref, everything=True).kept
    assert "an instance uses it" in kept.why


def test_the_deployments_keys_go_with_it(rig: Rig) -> None:
    """Nothing of its private keys is on this computer's disk afterwards."""
    entry = rig.begin()
    rig.apply(entry)
    assert list((rig.home / "ssh").iterdir())
    rig.destroy(entry.ref)
    assert list((rig.home / "ssh").iterdir()) == []


def test_a_destroy_needs_no_journal(rig: Rig) -> None:
    """Found by name and tags alone, it is removed with key and ruleset; another deployment is left alone."""
    for name in ("voice", "other"):
        rig.apply(rig.begin(name), rig.plan(rig.spec(name)))
    (found,) = rig.provider().find("voice")
    assert sorted(one.kind for one in found.resources) == ["firewall-ruleset", "instance", "ssh-key"]
    rig.destroy(found)
    assert sorted(kind for kind, _ in rig.world.exists()) == ["firewall-ruleset", "instance", "ssh-key"]
    assert [one.name for one in rig.provider().find(None)] == ["other"]


def test_a_renamed_instance_is_found_by_its_tags(rig: Rig) -> None:
    """Somebody gave it another name in the console: it is the deployment's all the same."""
    entry = rig.begin()
    rig.apply(entry)
    rig.instance().body["name"] = "mine"
    (found,) = rig.provider().find("voice")
    assert found.id == entry.ref.id
    rig.destroy(Ref("lambda", "voice", entry.ref.id))
    assert rig.world.exists() == []


def test_what_is_not_plexctls_is_not_found(rig: Rig) -> None:
    """An instance of another name and without tags is nobody's here."""
    rig.apply(rig.begin())
    one = rig.instance()
    one.body["name"], one.body["tags"] = "plexctl", [{"key": "plexctl-name", "value": "voice"}]
    rig.cloud.rulesets.clear()
    assert rig.provider().find(None) == []


def test_holdings_are_the_whole_instance(rig: Rig) -> None:
    """What a destroy takes is said before: the instance with its disk."""
    entry = rig.begin()
    assert rig.provider().holdings(entry.ref) == []
    rig.apply(entry)
    (words,) = rig.provider().holdings(entry.ref)
    assert words == f"instance {entry.ref.label} (gpu_1x_a10 in us-east-1) with everything on its disk"
