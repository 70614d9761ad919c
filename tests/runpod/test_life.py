"""From nothing to talking and back to nothing, with the real gateway behind RunPod's proxy, and on a raw port."""

from __future__ import annotations

import asyncio
import json
from statistics import median

import pytest
from msgspec import structs
from tests.flows.conftest import Reporter
from tests.runpod.rig import Rig

from plexctl.contract import Provider
from plexctl.flows.follow import follow_start
from plexctl.flows.session import Session
from plexctl.model import Endpoint
from plexctl.probe import ProbeOptions, probe
from plexctl.secret import Secret
from plexctl.states import State
from plexctl.wire import SYSTEM, Trust, WireError, fetch
from plexctl_providers.runpod.adapter import RunPodProvider

TOKEN = Secret("loopback-token")


def verdict(endpoint: Endpoint, trust: Trust = SYSTEM) -> str:
    """Hold a short conversation as a caller with the token."""
    return asyncio.run(probe(ProbeOptions(url=endpoint.wss_url, token=TOKEN, seconds=0.5, trust=trust))).verdict


def is_ready(endpoint: Endpoint, trust: Trust = SYSTEM) -> bool:
    """Ask the gateway."""
    try:
        answer = fetch(f"{endpoint.url}/health", timeout_s=5, trust=trust)
    except WireError:
        return False
    return answer.status == 200 and json.loads(answer.body)["state"] == "ready"


@pytest.mark.timeout(90)
def test_a_whole_life(real: Rig) -> None:
    """Deploy, talk, status, logs, follow with a cut in the middle, stop, start, destroy: nothing bills afterwards."""
    entry = real.begin()
    endpoint = real.deploy(entry).endpoint
    assert endpoint is not None
    assert endpoint.tls == "none"
    real.wait(lambda: is_ready(endpoint))
    assert verdict(endpoint) == "talking"
    assert real.provider().status(entry.ref).state is State.LOADING
    lines = [line.text for line in real.provider().logs(entry.ref, follow=False, since=None, tail=None)]
    assert lines[0] == "[host] create pod: pulling image"
    assert any("engine-0 is ready" in line for line in lines)
    real.cloud.logs.cuts = [2, 3]
    followed = real.provider().logs(entry.ref, follow=True, since=None, tail=None)
    heard = [next(followed).text]
    real.provider().stop(entry.ref)
    heard += [line.text for line in followed]
    assert heard[: len(lines)] == lines
    assert heard[-1] == "gateway stopped"
    assert [kind for _, kind, _ in real.cloud.billing()] == ["storage"]
    assert real.deploy(entry).endpoint == endpoint
    real.wait(lambda: is_ready(endpoint))
    assert len(real.provider().destroy(entry.ref).removed) == 1
    assert real.cloud.billing() == []


@pytest.mark.timeout(90)
def test_a_raw_port_is_trusted_by_the_certificate_that_its_log_names(real: Rig) -> None:
    """The gateway's own TLS, pinned by RunPod's log; another certificate would be no caller's."""
    entry, spec = real.begin(), real.spec(expose="tcp")
    assert real.deploy(entry, spec).endpoint is None
    real.wait(lambda: real.provider().status(entry.ref).endpoint is not None)
    endpoint = real.provider().status(entry.ref).endpoint
    assert endpoint is not None
    trust = Trust.of(fingerprint=endpoint.tls)
    real.wait(lambda: is_ready(endpoint, trust))
    assert verdict(endpoint, trust) == "talking"


def test_a_gateway_that_does_not_answer_yet_is_no_failure(real: Rig) -> None:
    """RUNNING is not ready: the proxy says 502 as long as nothing listens, and the status says loading."""
    real.cloud.proxy.is_down = True
    entry = real.begin()
    endpoint = real.deploy(entry).endpoint
    assert endpoint is not None
    real.wait(lambda: real.pod().status == "RUNNING")
    assert fetch(f"{endpoint.url}/health", timeout_s=5).status == 502
    assert real.provider().status(entry.ref).state is State.LOADING


class Alone:
    """RunPod and no other."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig

    def names(self) -> list[str]:
        """Return its name."""
        return ["runpod"]

    def provider_class(self, name: str) -> type[Provider]:
        """Return what makes an adapter that waits in real time."""
        assert name == "runpod"
        return RunPodProvider


@pytest.mark.alone
def test_readiness_is_noticed_at_once(real: Rig) -> None:
    """From the engine's being ready to the core's knowing it, by proxy and on raw ports: under 1.5 s, by median.

    The engine takes longer to load than a pod to tell its address, as any model does.
    """
    variables = real.cloud.environment_variables
    session = Session(real.home, variables, Reporter(), TOKEN, adapters=Alone(real))
    took = []
    for name, expose in {"one": "http", "two": "tcp", "three": "tcp"}.items():
        entry = real.begin(name)
        loading = {"PLEXCTL_ECHO_LOAD_S": "4"}
        real.deploy(entry, structs.replace(real.spec(name, expose=expose), env=loading))
        follow_start(session, entry.record, 60.0, entry.reached)
        noticed = real.cloud.clock.wall()
        lines = real.provider().logs(entry.ref, follow=False, since=None, tail=None)
        took.append(noticed - next(line.time for line in lines if line.time and "engine-0 is ready" in line.text))
        real.provider().destroy(entry.ref)
    assert median(took) < 1.5
