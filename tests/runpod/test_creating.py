"""One pod, whatever becomes of the answers: looked up by its name before anything is made, and after a lost answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import structs
from tests.clouds.runpod.faults import DROPPED, FULL
from tests.clouds.runpod.judge import judge
from tests.clouds.runpod.world import CUDA, SECRETS
from tests.runpod.rig import Rig

from plexctl.errors import NoCapacityError, PreflightError, ProviderError
from plexctl.model import Finding, Level, Need
from plexctl.secret import Secret
from plexctl.spec import Image
from plexctl.states import State
from plexctl_providers._common.placeholders import fill

CANARY = "canary-91c2"


def sent(rig: Rig) -> Any:
    """Return the body of the one create."""
    (found,) = [one for one in rig.cloud.seen if one.operation == "create"]
    return json.loads(found.body)


@pytest.mark.parametrize("status", [DROPPED, 500, 504])
def test_a_create_that_took_effect_without_an_answer_is_adopted(rig: Rig, status: int) -> None:
    """504 after the pod was made: looked up by its name, recorded with its id, and sent exactly once."""
    rig.cloud.fail("create", status, after=True, plain=True)
    entry = rig.begin()
    assert rig.deploy(entry).changed
    (recorded,) = entry.ref.resources
    assert recorded.id == rig.pod().id
    assert rig.counted("create") == 1
    assert len(rig.cloud.pods) == 1


def test_a_pod_that_appears_late_is_waited_for(rig: Rig) -> None:
    """The list does not show it for some seconds: the create is not sent again meanwhile."""
    rig.cloud.appears_after_s = 5.0
    rig.cloud.fail("create", DROPPED, after=True)
    entry = rig.begin()
    rig.deploy(entry)
    assert (rig.counted("create"), entry.ref.resources[0].id) == (1, rig.pod().id)


@pytest.mark.parametrize("status", [DROPPED, 502, 503])
def test_a_create_without_effect_is_not_sent_again(rig: Rig, status: int) -> None:
    """Nobody knows whether it was done: the intent stays recorded, and the next deploy looks before it makes one."""
    rig.cloud.fail("create", status)
    entry = rig.begin()
    with pytest.raises(ProviderError) as caught:
        rig.deploy(entry)
    assert "looks for it by its name" in str(caught.value.hint)
    assert rig.counted("create") == 1
    assert [one.id for one in entry.ref.resources] == [None]
    assert rig.deploy(entry).changed
    assert (rig.counted("create"), len(rig.cloud.pods)) == (2, 1)


def test_a_pod_that_came_after_everybody_gave_up_is_found_and_ended(rig: Rig) -> None:
    """The lost create shows a minute later: `destroy` by the record, or `find` without one, ends it."""
    rig.cloud.appears_after_s = 20.0
    rig.cloud.fail("create", DROPPED, after=True)
    entry = rig.begin()
    with pytest.raises(ProviderError):
        rig.deploy(entry)
    rig.cloud.clock.sleep(60)
    (found,) = rig.provider().find("voice")
    assert found.label == entry.ref.label
    rig.provider().destroy(entry.ref)
    assert rig.cloud.billing() == []


def test_a_refusal_leaves_no_intent(rig: Rig) -> None:
    """Told that there is no capacity, nothing was made: the record says so, and the words are RunPod's."""
    rig.cloud.fail("create", 400, FULL)
    entry = rig.begin()
    with pytest.raises(NoCapacityError, match="no longer any instances available"):
        rig.deploy(entry)
    assert entry.ref.resources == ()


def test_what_runpod_does_not_take_is_a_bug_of_ours(rig: Rig) -> None:
    """422 is never retried and never taken for capacity; an echo of a secret in it is blotted out."""
    rig.cloud.fail("create", 422, f"env.PLEXCTL_TOKEN: {CANARY} is not a string")
    with pytest.raises(ProviderError) as caught:
        rig.deploy(rig.begin(), PLEXCTL_TOKEN=Secret(CANARY))
    assert "please report it" in str(caught.value.hint)
    assert CANARY not in f"{caught.value} {caught.value.hint} {caught.value.data}"
    assert "***" in str(caught.value)
    assert rig.counted("create") == 1


def test_the_plans_own_body_is_sent(rig: Rig) -> None:
    """Filled in, and nothing else; RunPod's description accepts it, and refuses it with a stray field."""
    spec = rig.spec(disk_gb=30)
    entry = rig.begin()
    rig.provider().apply(rig.plan(spec), entry)
    planned = rig.plan(spec).resources[0].body["json"]
    assert sent(rig) == fill(planned, {**SECRETS, "PLEXCTL_ID": entry.ref.id})
    assert sent(rig)["gpu"] == {"id": "NVIDIA GeForce RTX 4090", "count": 1, "minCudaVersion": "12.1"}
    assert judge("CreatePodRequest", sent(rig)) == []
    assert judge("CreatePodRequest", sent(rig) | {"terminateAfter": "2026-12-01T00:00:00Z"})


def test_a_secret_stands_in_the_creates_environment_alone(rig: Rig) -> None:
    """Not in a URL, a header, another body, a log, a file, or anything that the adapter returns."""
    entry = rig.begin()
    made = rig.deploy(entry, PLEXCTL_TOKEN=Secret(CANARY))
    provider = rig.provider()
    told = (made, provider.status(entry.ref), provider.find(None), entry.record, provider._pods.all())
    assert CANARY not in repr(told)
    assert rig.world.places_of(CANARY) == ["a pod's environment"]


def test_a_secret_of_runpods_own_store_is_never_sent(rig: Rig) -> None:
    """The body has the reference; a name that the console does not have is said before anything is made."""
    spec = rig.spec(console_secrets=("HF_TOKEN", "PLEXCTL_TOKEN"))
    entry = rig.begin()
    with pytest.raises(NoCapacityError, match="secret HF_TOKEN not found"):
        rig.deploy(entry, spec)
    rig.cloud.secrets |= {"HF_TOKEN": "kept", "PLEXCTL_TOKEN": CANARY}
    rig.deploy(entry, spec)
    assert rig.pod().body["env"]["PLEXCTL_TOKEN"] == "{{ RUNPOD_SECRET_PLEXCTL_TOKEN }}"


def test_the_pod_goes_where_its_network_volume_is(rig: Rig) -> None:
    """The volume's data centre is looked up; an offer elsewhere is no capacity, an unknown volume a preflight."""
    rig.cloud.volumes["vol1"] = {"id": "vol1", "name": "w", "size": 50, "dataCenter": "US-KS-2", "type": "STANDARD"}
    spec, entry = rig.spec(network_volume="vol1"), rig.begin()
    provider = rig.provider()
    provider.apply(rig.plan(spec, rig.offer(region="US-KS-2")), entry)
    assert rig.pod().body["dataCenterIds"] == ["US-KS-2"]
    with pytest.raises(NoCapacityError, match="network volume is in US-KS-2"):
        provider.apply(rig.plan(spec, rig.offer(region="EU-RO-1")), rig.begin("other"))
    with pytest.raises(PreflightError, match="no network volume gone"):
        provider.apply(rig.plan(rig.spec(network_volume="gone")), rig.begin("third"))
    (kept,) = provider.destroy(entry.ref).kept
    assert (kept.kind, kept.name) == ("network-volume", "vol1")
    assert "bills until you delete it" in kept.why


def test_the_community_cloud_is_not_pinned(rig: Rig) -> None:
    """Pinned to a data centre every create there fails; unpinned it lands at once."""
    rig.deploy(rig.begin(), rig.spec(cloud="community"))
    assert rig.pod().body["cloud"] == "COMMUNITY"
    assert "dataCenterIds" not in rig.pod().body


def test_without_an_image_nothing_is_sent(rig: Rig) -> None:
    """RunPod builds nothing: the step that makes an image is named."""
    with pytest.raises(PreflightError) as caught:
        rig.deploy(rig.begin(), structs.replace(rig.spec(), image=Image()))
    assert "image build --push" in str(caught.value.hint)
    assert rig.counted("create") == 0


def test_three_candidates(rig: Rig) -> None:
    """No capacity, then a host whose driver is too old, then a good one: one pod is left, and each reason was told."""
    offers, entry, told = rig.provider().offers(Need(min_vram_gib=20)), rig.begin(), []
    rig.cloud.fail("create", 400, FULL)
    rig.cloud.running.trouble = CUDA
    for offer in offers[:3]:
        try:
            rig.provider().apply(rig.plan(offer=offer), entry)
        except NoCapacityError as error:
            told.append(error.message)
            continue
        rig.until(lambda: rig.provider().status(entry.ref).state is not State.CREATING)
        status = rig.provider().status(entry.ref)
        if status.state is not State.FAILED:
            break
        told.append(status.detail)
        rig.provider().destroy(entry.ref)
        rig.cloud.running.trouble = None
    assert "no longer any instances" in told[0]
    assert "unsatisfied condition: cuda>=12.8" in told[1]
    assert len(told) == 2
    assert [pod.id for pod in rig.cloud.pods.values()] == [entry.ref.resources[0].id]


def test_another_token_reaches_a_pod_that_runs(rig: Rig) -> None:
    """The secrets differ from those in the pod: its environment is renewed and its container restarted, once."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.until(lambda: rig.pod().status == "RUNNING")
    assert rig.deploy(entry, PLEXCTL_TOKEN=Secret("another")).changed
    assert rig.pod().body["env"]["PLEXCTL_TOKEN"] == "another"
    assert [one.split()[0] for one in rig.cloud.mutations] == ["create", "update", "restart"]
    assert not rig.deploy(entry, PLEXCTL_TOKEN=Secret("another")).changed


def test_preflight_names_what_is_wrong_with_account_and_spec(rig: Rig) -> None:
    """A volume too small, elsewhere or gone; credentials that RunPod does not keep; a registry of this machine."""
    rig.cloud.volumes["small"] = {"id": "small", "name": "s", "size": 10, "dataCenter": "US-KS-2", "type": "STANDARD"}
    wrong = {
        "cannot hold the weights": rig.spec(network_volume="small"),
        "runpod.data_centers does not name": rig.spec(network_volume="small", data_centers=("EU-RO-1",)),
        "no network volume gone": rig.spec(network_volume="gone"),
        "no registry credentials reg0": rig.spec(registry="reg0"),
        "that registry is this machine's": structs.replace(rig.spec(), image=Image(name="localhost:5000/me/x")),
    }
    for words, spec in wrong.items():
        (failed,) = [one for one in rig.provider().preflight(spec) if one.level is Level.FAIL]
        assert words in failed.message
        assert failed.fix


def test_a_limit_that_graphql_does_not_know_is_left_out(rig: Rig) -> None:
    """The balance is asked for without it."""
    rig.cloud.spend_limit = None
    findings = {one.check: one for one in rig.provider().preflight(rig.spec())}
    assert findings["balance"].message.startswith("50.00 USD")


def test_money_that_graphql_does_not_tell_is_a_warning(rig: Rig) -> None:
    """GraphQL is to be retired: what only it tells is not needed to deploy."""
    rig.cloud.fail("graphql", 500, times=None)
    findings = {one.check: one for one in rig.provider().preflight(rig.spec())}
    assert findings["balance"].level is Level.WARN
    assert rig.provider().check_credentials() == Finding("credentials-runpod", Level.OK, "RunPod takes the API key")
    assert "spot_usd_per_hour" not in rig.offer().detail
