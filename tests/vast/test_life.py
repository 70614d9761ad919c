"""A deployment's whole life with the real gateway, its TLS and its own end; what bills is read from Vast's books."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from statistics import median
from threading import Thread

import pytest
from msgspec import structs
from tests.clouds.vast.world import SECRETS, VastAlone, VastWorld
from tests.contract.steps import begun, bring_up, offer_of
from tests.contract.worlds import until
from tests.flows.conftest import Reporter

from plexctl.flows.follow import follow_start
from plexctl.flows.session import Session
from plexctl.journal import Entry
from plexctl.model import Endpoint, LogLine
from plexctl.spec import Limits
from plexctl.states import State
from plexctl.wire import Trust, WireError, fetch


@pytest.fixture
def entry(real: VastWorld) -> Iterator[Entry]:
    """Begin a deployment that is journaled."""
    with begun(real) as one:
        yield one


def health_of(endpoint: Endpoint) -> str:
    """Ask the gateway, trusting its pinned certificate only; returns its state, or why there is none."""
    try:
        answer = fetch(f"{endpoint.url}/health", trust=Trust.of(fingerprint=endpoint.tls))
    except WireError as error:
        return str(error)
    return str(json.loads(answer.body)["state"])


def endpoint_of(world: VastWorld, entry: Entry) -> Endpoint:
    """Wait until the provider tells where callers go."""
    until(lambda: world.provider().status(entry.ref).endpoint is not None, "an endpoint")
    found = world.provider().status(entry.ref).endpoint
    assert found is not None
    return found


def test_from_nothing_to_a_pinned_gateway_and_to_nothing(real: VastWorld, entry: Entry) -> None:
    """Deployed, answered over pinned TLS, logged, stopped, started, destroyed: nothing bills afterwards."""
    bring_up(real, entry)
    endpoint = endpoint_of(real, entry)
    assert endpoint.tls.startswith("sha256:")
    assert endpoint.url.startswith("https://127.0.0.1:")
    assert endpoint.wss_url == f"{endpoint.url.replace('https', 'wss')}/api/chat"
    until(lambda: health_of(endpoint) == "ready", "a ready engine")
    wrong = Endpoint(endpoint.url, endpoint.wss_url, "sha256:" + "0" * 64)
    assert "fingerprint" in health_of(wrong)
    assert {len(one) for one in real.cloud.bills().values()} == {2}

    real.provider().stop(entry.ref)
    assert real.provider().status(entry.ref).state is State.STOPPED
    assert [list(one) for one in real.cloud.bills().values()] == [["disk"]]

    assert bring_up(real, entry).changed
    again = endpoint_of(real, entry)
    assert again.url == endpoint.url
    until(lambda: health_of(endpoint_of(real, entry)) == "ready", "a ready engine after a start")
    assert endpoint_of(real, entry).tls != endpoint.tls

    assert len(real.provider().destroy(entry.ref).removed) == 1
    assert real.cloud.bills() == {}
    assert real.provider().find(None) == []
    assert real.cloud.too_soon == []
    assert real.cloud.misfits == []


def test_a_followed_log_has_every_line_once(real: VastWorld, entry: Entry) -> None:
    """From the first line to the gateway's last word, although the log's address answers 404 for a while."""
    bring_up(real, entry)
    endpoint = endpoint_of(real, entry)
    real.cloud.log_polls = 3
    heard: list[LogLine] = []
    followed = real.provider().logs(entry.ref, follow=True, since=None, tail=None)
    following = Thread(target=lambda: heard.extend(followed))
    following.start()
    until(lambda: health_of(endpoint) == "ready", "a ready engine")
    real.provider().stop(entry.ref)
    following.join(30)
    assert not following.is_alive()
    whole = list(real.provider().logs(entry.ref, follow=False, since=None, tail=None))
    assert heard == whole
    assert whole[-1].text == "gateway stopped"
    real.provider().destroy(entry.ref)


def test_what_is_over_ends_itself(real: VastWorld, entry: Entry) -> None:
    """With no plexctl anywhere the gateway destroys its own instance by the instance's own key, and nothing bills."""
    spec = structs.replace(real.spec("voice"), limits=Limits(ttl_s=3.0))
    provider = real.provider()
    provider.apply(provider.plan(spec, offer_of(provider)), entry)
    assert [(one.operation, one.authorization) for one in real.cloud.requests if one.operation == "destroy"] == []
    until(lambda: real.cloud.instances == {}, "its own end")
    (request,) = [one for one in real.cloud.requests if one.operation == "destroy"]
    assert request.authorization == "Bearer canary-instance-9000"
    assert real.cloud.bills() == {}
    assert real.provider().status(entry.ref).state is State.MISSING


@pytest.mark.alone
def test_readiness_is_noticed_at_once(real: VastWorld) -> None:
    """From the engine's being ready to the core's knowing it, at Vast's own intervals: under 1.5 s, by median."""
    environ = {"VAST_API_KEY": real.key, "VAST_URL": real.cloud.url}
    session = Session(real.home, environ, Reporter(), SECRETS["PLEXCTL_TOKEN"], adapters=VastAlone(real))
    took = []
    for _ in range(3):
        with begun(real) as entry:
            bring_up(real, entry)
            real.cloud.clock.is_real = True
            follow_start(session, entry.record, 60.0, entry.reached)
            noticed = time.time()
            real.cloud.clock.is_real = False
            lines = real.provider().logs(entry.ref, follow=False, since=None, tail=None)
            ready = next(line.time for line in lines if line.time and "ready" in line.text and "engine" in line.text)
            took.append(noticed - ready)
            real.provider().destroy(entry.ref)
            entry.gone()
    assert median(took) < 1.5
    assert real.cloud.too_soon == []
