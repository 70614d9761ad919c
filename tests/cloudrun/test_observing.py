"""What is told of a deployment: states, logs, what is up, what is left; nothing of it wakes an instance."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from tests.cloudrun.ground import NO_GPU, Ground, spec_of
from tests.clouds.google import Fault, Google, RefusedError
from tests.contract.worlds import until

from plexctl.model import Level, LogLine, Need, Offer, Ref
from plexctl.states import State
from plexctl_providers.cloudrun.states import STATE_MAP, status_of

T0 = 1_790_000_000.0


@pytest.mark.parametrize(
    ("native", "state"), [*STATE_MAP.items(), ("CONDITION_DREAMING", State.UNKNOWN), ("", State.UNKNOWN)]
)
def test_each_condition_is_a_state(native: str, state: State) -> None:
    """What Google has not documented is UNKNOWN."""
    service = {"uri": "https://v-x.run.app", "terminalCondition": {"state": native, "message": "so"}}
    status = status_of(service)
    assert status.state is state
    assert status.endpoint is not None
    assert (status.endpoint.wss_url, status.endpoint.tls) == ("wss://v-x.run.app/api/chat", "system")


@pytest.mark.parametrize(
    ("more", "state"),
    [
        ({"reconciling": True}, State.CREATING),
        ({"generation": "3", "observedGeneration": "2"}, State.CREATING),
        ({"deleteTime": "2026-11-21T00:00:00Z"}, State.DRAINING),
        ({"scaling": {"scalingMode": "MANUAL", "manualInstanceCount": 0}}, State.STOPPED),
        ({"scaling": {"scalingMode": "MANUAL"}}, State.STOPPED),
        ({"scaling": {"scalingMode": "MANUAL", "manualInstanceCount": 1}}, State.LOADING),
    ],
)
def test_what_else_decides_a_state(more: dict[str, object], state: State) -> None:
    """A service that is being changed, deleted or disabled is not ready, whatever its last condition was."""
    assert (
        status_of({"urls": ["https://x"], "terminalCondition": {"state": "CONDITION_SUCCEEDED"}, **more}).state is state
    )


@pytest.fixture
def ref(ground: Ground) -> Iterator[Ref]:
    """Give a deployment that has said twelve lines, one a second."""
    with ground.begun() as entry:
        ground.apply(entry)
        for number in range(12):
            ground.google.run.log(ground.service(), f"2026-09-21T10:00:00Z line {number}", T0 + number)
        yield entry.ref


def texts(lines: Iterator[LogLine]) -> list[str]:
    """Return the words of lines."""
    return [line.text for line in lines]


def test_logs_are_read_page_by_page_in_order(ground: Ground, ref: Ref) -> None:
    """All of them over several pages, the last few, those since; the gateway's own time is not shown twice."""
    provider = ground.provider()
    every = [f"line {number}" for number in range(12)]
    assert texts(provider.logs(ref, follow=False, since=None, tail=None)) == every
    assert texts(provider.logs(ref, follow=False, since=None, tail=7)) == every[-7:]
    assert texts(provider.logs(ref, follow=False, since=T0 + 9, tail=None)) == every[9:]
    assert texts(provider.logs(ref, follow=False, since=T0 + 2, tail=2)) == every[-2:]


def test_following_loses_nothing_that_comes_late(ground: Ground, google: Google, ref: Ref) -> None:
    """Lines that arrive out of order are shown once each; the end comes when the service is stopped."""
    followed = ground.provider().logs(ref, follow=True, since=None, tail=2)
    heard = [next(followed).text, next(followed).text]

    def go_on() -> None:
        service = ground.service()
        google.run.log(service, "newer", T0 + 20)
        until(lambda: "newer" in heard, "the newer line")
        google.run.log(service, "late", T0 + 15)
        google.run.log(service, "at the same moment", T0 + 20)
        until(lambda: "late" in heard and "at the same moment" in heard, "the late line")
        ground.provider().stop(ref)

    thread = threading.Thread(target=go_on)
    thread.start()
    heard.extend(line.text for line in followed)
    thread.join()
    assert heard == ["line 10", "line 11", "newer", "late", "at the same moment"]


def test_following_outlasts_429(ground: Ground, google: Google, ref: Ref) -> None:
    """The limit of reads a minute is waited out as Google says."""
    refused = RefusedError(429, "Quota exceeded", "RATE_LIMIT_EXCEEDED", headers={"Retry-After": "1"})
    google.fail(Fault("logging.entries.list", refusal=refused, times=1))
    assert len(texts(ground.provider().logs(ref, follow=False, since=None, tail=3))) == 3


def test_usage_asks_no_instance(ground: Ground, google: Google, ref: Ref) -> None:
    """Monitoring says what is up and billed; without figures a young service was up just now, an old one has none."""
    provider = ground.provider()
    young = provider.usage(ref, T0)
    assert (young.replicas, young.was_up, young.billed_s) == (None, True, None)
    google.advance(599)
    assert provider.usage(ref, T0).was_up
    google.advance(2)
    old = provider.usage(ref, T0)
    assert (old.replicas, old.was_up, old.billed_s) == (0, False, 0)
    google.books.counted[ref.label] = 1
    up = provider.usage(ref, T0)
    assert (up.replicas, up.cost_usd, up.billed_s) == (1, None, 120)
    assert "Cloud Monitoring" in up.source
    google.fail(Fault("monitoring.*", refusal=RefusedError(403, "Permission 'monitoring.timeSeries.list' denied")))
    refused = provider.usage(ref, T0)
    assert refused.replicas is None
    assert "monitoring.timeSeries.list" in refused.source
    assert google.run.instances == {}


def test_a_stopped_service_has_nothing_up(ground: Ground, ref: Ref) -> None:
    """Nobody need be asked."""
    ground.provider().stop(ref)
    assert ground.provider().usage(ref, T0).replicas == 0


def test_leftovers_are_found_in_any_region(ground: Ground, google: Google) -> None:
    """A deployment far from GPUs, of which only secrets and image are left, is found by a label and removed."""
    far = Offer("cloudrun", None, 0, "africa-south1", None, "a sample", None)
    spec = spec_of(engine="echo")
    with ground.begun(spec, far) as entry:
        ground.apply(entry, spec, far)
        ground.provider().destroy(entry.ref)
    (found,) = ground.provider().find("voice")
    assert {one.kind for one in found.resources} == {"secret", "image", "repository"}
    assert {one.detail["region"] for one in found.resources} == {"africa-south1"}
    ground.provider().destroy(found, everything=True)
    assert ground.provider().find(None) == []
    assert not google.books.secrets


def test_a_project_whose_apis_are_off_has_nothing(ground: Ground) -> None:
    """Before the first deploy nothing is found, and that is no error."""
    assert ground.provider().find(None) == []


def test_a_quota_is_held_against_what_all_services_may_grow_to(ground: Ground, google: Google) -> None:
    """Another service's most instances count; over quota is refused, and where it cannot be read that is said."""
    google.books.quotas = {"MemAllocPerProjectRegion": 40 * 2**30, "CpuAllocPerProjectRegion": 20_000}
    offer = Offer("cloudrun", "L4", 1, "asia-southeast1", None, "a sample", None)
    with ground.begun(spec_of(name="other"), offer) as entry:
        ground.apply(entry, spec_of(name="other"), offer)
    google.books.quotas["CpuAllocPerProjectRegion"] = 10**9
    findings = [one for one in ground.provider().check_offer(spec_of(), offer) if one.check == "quota"]
    assert {one.level for one in findings} == {Level.FAIL, Level.OK}
    assert any("64 of 40 GiB of memory" in one.message and "1 other" in one.message for one in findings)
    google.fail(Fault("cloudquotas.*", refusal=RefusedError(404, "not found")))
    findings = [one for one in ground.provider().check_offer(spec_of(), offer) if one.check == "quota"]
    assert {one.level for one in findings} == {Level.WARN, Level.OK}
    assert all("could not be read" in one.message for one in findings)


def test_preflight_names_the_rights_that_are_lacking(ground: Ground, google: Google) -> None:
    """Before anything is made; where nobody can ask, that is said and refuses nothing."""
    google.books.lacking = {"cloudbuild.builds.create"}
    (found,) = [one for one in ground.provider().preflight(spec_of()) if one.check == "rights"]
    assert found.level is Level.FAIL
    assert "cloudbuild.builds.create" in found.message
    google.books.apis.discard("cloudresourcemanager")
    (found,) = [one for one in ground.provider().preflight(spec_of()) if one.check == "rights"]
    assert found.level is Level.WARN


@pytest.mark.parametrize(
    ("need", "gpus"),
    [
        (Need(), {"L4", "RTX PRO 6000", None}),
        (Need(min_vram_gib=20), {"L4", "RTX PRO 6000"}),
        (Need(min_vram_gib=48), {"RTX PRO 6000"}),
        (Need(gpu="L4"), {"L4"}),
        (Need(region="us-central1"), {"RTX PRO 6000", None}),
        (Need(gpu="H100"), set()),
    ],
)
def test_offers_meet_the_need(ground: Ground, need: Need, gpus: set[str | None]) -> None:
    """GPUs in their regions, and none where none is asked for; asking nobody."""
    assert {one.gpu for one in ground.provider().offers(need)} == gpus
    assert ground.google.requests == []


def test_an_endpoint_is_told_as_soon_as_google_tells_it(ground: Ground, google: Google) -> None:
    """Before anything is ready: an apply does not wait for that."""
    google.run.start_s = 1e9
    spec = spec_of(engine="echo")
    with ground.begun(spec, NO_GPU) as entry:
        deployment = ground.apply(entry, spec, NO_GPU)
        assert deployment.endpoint is not None
        assert deployment.endpoint.tls == "none"
        assert ground.provider().status(entry.ref).state is State.CREATING


def test_a_private_service_is_ready_when_google_says_so(ground: Ground) -> None:
    """Google checks callers, plexctl among them: its gateway is not asked, and that is said."""
    private = spec_of(cloudrun={"private": True})
    with ground.begun(private) as entry:
        ground.apply(entry, private)
        status = ground.provider().status(entry.ref)
    assert (status.state, status.endpoint) == (State.READY, None)
    assert "checks callers" in status.detail


def test_an_ingress_that_nobody_observed_is_as_planned(ground: Ground) -> None:
    """While no revision is active Google says UNSPECIFIED: that is no difference."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.service().body["ingress"] = "INGRESS_TRAFFIC_UNSPECIFIED"
        assert not ground.apply(entry).changed
        ground.service().body["ingress"] = "INGRESS_TRAFFIC_INTERNAL_ONLY"
        assert ground.apply(entry).changed
    assert ground.service().body["ingress"] == "INGRESS_TRAFFIC_ALL"
