"""AI Deploy: what is offered and sent, and how an app's life is told."""

from __future__ import annotations

from dataclasses import replace

import pytest
from msgspec import structs
from tests.clouds.ovh.state import PROJECT
from tests.ovh.rig import TOKEN, Rig, l4

from plexctl.errors import NotFoundError, PreflightError, ProviderError
from plexctl.model import Level, Need
from plexctl.spec import Image
from plexctl.states import State
from plexctl_providers.ovh.app_rows import STATE_MAP, App, endpoint_of, status_of


def test_gpus_are_read_from_the_capabilities(rig: Rig) -> None:
    """Each region's flavours, by plexctl's own names; a flavour without a GPU is for the echo engine."""
    spec = rig.spec(product="ai-deploy")
    found = {(one.gpu, one.region, one.detail["flavor"]) for one in rig.provider(spec).offers(Need())}
    assert found == {
        (gpu, region, flavour)
        for region in ("GRA", "BHS")
        for gpu, flavour in (("L4", "l4-1-gpu"), ("H100 PCIe", "h100-1-gpu"), (None, "ai1-1-cpu"))
    }
    assert {one.region for one in rig.provider(spec).offers(Need(region="GRA"))} == {"GRA"}


def test_the_quota_is_a_finding(rig: Rig) -> None:
    """Four GPUs are room for one; none is not; and what OVHcloud does not tell is said."""
    spec = rig.spec(product="ai-deploy")
    (good,) = rig.provider(spec).check_offer(spec, l4("GRA"))
    rig.cloud.ai_quota["GPU"] = 0
    (bad,) = rig.provider(spec).check_offer(spec, l4("GRA"))
    rig.cloud.ai_quota.clear()
    (unknown,) = rig.provider(spec).check_offer(spec, l4("GRA"))
    assert [one.level for one in (good, bad, unknown)] == [Level.OK, Level.FAIL, Level.WARN]


def test_what_is_sent_and_what_comes_back(rig: Rig) -> None:
    """One app with its labels, flavour and port; the token among its variables alone; its address at once."""
    spec = rig.spec(product="ai-deploy")
    entry = rig.begin(spec, l4("GRA"))
    deployment = rig.deploy(entry, l4("GRA"))
    (app,) = rig.cloud.apps.values()
    assert app.body["labels"] == {"managed-by": "plexctl", "plexctl-name": "voice", "plexctl-id": entry.ref.id}
    assert (app.body["resources"], app.body["defaultHttpPort"]) == ({"flavor": "l4-1-gpu", "gpu": 1}, 8998)
    assert {"name": "PLEXCTL_TOKEN", "value": TOKEN} in app.body["envVars"]
    assert TOKEN not in repr((deployment, entry.record, rig.provider().status(entry.ref)))
    assert deployment.endpoint is not None
    assert app.id in deployment.endpoint.url


def test_what_no_app_can_have_is_said_before_anything_is_made(rig: Rig) -> None:
    """No image, and no region, are PreflightError; nothing was sent."""
    spec = rig.spec(product="ai-deploy")
    nameless = structs.replace(spec, image=Image())
    for one, offer in ((nameless, l4("GRA")), (spec, replace(l4(), region=None))):
        with pytest.raises(PreflightError):
            rig.deploy(rig.begin(one, offer), offer)
        assert rig.cloud.mutations == []
        for record in rig.journal.records():
            rig.journal.entry(record.ref.id).gone()


def test_an_app_that_another_one_replaces_goes_first(rig: Rig) -> None:
    """FAILED is never started again: it is deleted, read back, and a new one is made."""
    spec = rig.spec(product="ai-deploy")
    entry = rig.begin(spec, l4("GRA"))
    rig.deploy(entry, l4("GRA"))
    (first,) = rig.cloud.apps.values()
    rig.cloud.end_app(first, "FAILED")
    assert rig.deploy(entry, l4("GRA")).changed
    (second,) = rig.cloud.apps.values()
    assert second.id != first.id
    assert [one.split()[0] for one in rig.cloud.mutations] == ["create", "delete", "create"]


def test_a_stop_that_did_nothing_is_no_success(rig: Rig) -> None:
    """OVHcloud says yes, and it runs on: that is an error that says that it may bill."""
    spec = rig.spec(product="ai-deploy")
    entry = rig.begin(spec, l4("GRA"))
    rig.deploy(entry, l4("GRA"))
    (app,) = rig.cloud.apps.values()
    app.forced = "RUNNING"
    with pytest.raises(ProviderError, match="told to stop"):
        rig.provider().stop(entry.ref)


def test_without_ai_deploy_there_are_no_apps(rig: Rig) -> None:
    """A place that has no such thing is no reason to find nothing else."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.cloud.fail("apps", 404, times=None)
    assert [one.id for one in rig.provider().find(None)] == [entry.ref.id]


def test_an_app_has_no_host(rig: Rig) -> None:
    """A shell and a tunnel are NotFoundError with the reason; there is nothing on a host."""
    spec = rig.spec(product="ai-deploy")
    entry = rig.begin(spec, l4("GRA"))
    rig.deploy(entry, l4("GRA"))
    assert rig.provider().holdings(entry.ref) == []
    for ask in (rig.provider().shell, rig.provider().tunnel):
        with pytest.raises(NotFoundError, match="no host"):
            ask(entry.ref)


@pytest.mark.parametrize("name", [*STATE_MAP, "HIBERNATING", ""])
def test_each_state_of_an_app_is_one_of_ours(name: str) -> None:
    """Documented ones have a state and words; anything else is UNKNOWN and is quoted."""
    status = status_of(App("1", "plexctl-voice-abc", PROJECT, "GRA", name, "", "", {}))
    assert (status.state is State.UNKNOWN) == (name not in STATE_MAP)
    assert status.detail


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("https://1.app.gra.ai.cloud.ovh.net", "system"),
        ("http://127.0.0.1:1/proxy", "none"),
        ("http://1.app.gra.ai.cloud.ovh.net", None),
        ("ftp://127.0.0.1", None),
        ("", None),
    ],
)
def test_a_token_goes_nowhere_in_the_clear(url: str, tls: str | None) -> None:
    """An address that is not https is no endpoint, but on the loopback."""
    found = endpoint_of(App("1", "plexctl-voice-abc", PROJECT, "GRA", "RUNNING", url, "", {}))
    assert (found.tls if found else None) == tls
