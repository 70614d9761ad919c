"""Offers tried in turn at the loopback markets, with the real adapters and gateways; their books say what is alive."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest
from tests.clouds.runpod.faults import FULL
from tests.clouds.runpod.world import RunPodWorld
from tests.clouds.vast.faults import GONE_410
from tests.clouds.vast.running import RealGateway
from tests.clouds.vast.world import CUDA, IMAGE, VastWorld
from tests.flows.conftest import Reporter

from plexctl.catalog.wishes import Wish
from plexctl.contract import Context, Provider
from plexctl.errors import NoCapacityError
from plexctl.flows import operate
from plexctl.flows.asking import Order
from plexctl.flows.bringing import Acting, Deployed
from plexctl.flows.deploy import deploy
from plexctl.flows.observe import observe
from plexctl.flows.preparing import prepare
from plexctl.flows.session import Session
from plexctl.secret import Secret
from plexctl.spec import Image, Spec
from plexctl.states import State
from plexctl_providers._common.clock import Clock as RunPodClock
from plexctl_providers.runpod.adapter import RunPodProvider
from plexctl_providers.vast.adapter import VastProvider

TOKEN = Secret("token-of-the-world")
SECRETS = {"PLEXCTL_TOKEN": TOKEN, "HF_TOKEN": Secret("hf_of_the_world")}


@dataclass
class Both:
    """Vast with real gateways, and RunPod, by one session."""

    session: Session
    vast: VastWorld
    runpod: RunPodWorld

    def names(self) -> list[str]:
        """Return both."""
        return ["runpod", "vast"]

    def provider_class(self, name: str) -> type[Provider]:
        """Return what makes an adapter whose waiting takes no time."""

        def vast(context: Context) -> Provider:
            return VastProvider(context, pace=self.vast.pace)

        def runpod(context: Context) -> Provider:
            clock = self.runpod.cloud.clock
            return RunPodProvider(context, clock=RunPodClock(clock.now, clock.sleep))

        return cast("type[Provider]", {"vast": vast, "runpod": runpod}[name])

    def deploy(self, *names: str, **limits: Any) -> Deployed:
        """Deploy at the best of these."""
        spec = Spec(
            name="voice", provider=names[0], engine="personaplex", image=Image(name=IMAGE), secrets=tuple(SECRETS)
        )
        prepared = prepare(self.session, Order(spec, Wish(providers=names, **limits)))
        return deploy(self.session, prepared, Acting(SECRETS, print, probe=True))


async def _at_once(seconds: float) -> None:
    await asyncio.sleep(min(seconds, 0.05))


@pytest.fixture
def both(tmp_path: Path) -> Iterator[Both]:
    """Give two empty accounts."""
    vast, runpod = VastWorld(tmp_path / "home", RealGateway), RunPodWorld(tmp_path / "home")
    environ = {
        "HF_HUB_OFFLINE": "1",
        "VAST_API_KEY": vast.key,
        "VAST_URL": vast.cloud.url,
        **runpod.cloud.environment_variables,
    }
    session = Session(tmp_path / "home", environ, Reporter(), TOKEN, sleep=_at_once)
    one = Both(session, vast, runpod)
    object.__setattr__(session, "adapters", one)
    try:
        yield one
    finally:
        vast.close()
        runpod.close()


def outcomes(deployed: Deployed) -> list[str]:
    """Return what became of each attempt."""
    return [one.outcome for one in deployed.attempts]


def test_three_candidates_at_vast(both: Both) -> None:
    """Taken, bad and good: one instance bills at the end, pinned and talking, and none after a destroy."""
    both.vast.cloud.fail("create", GONE_410)
    both.vast.cloud.bad_machines[502] = CUDA
    deployed = both.deploy("vast")
    assert outcomes(deployed) == ["no_capacity", "bad_host", "ready"]
    assert deployed.probe["verdict"] == "talking"
    assert len(both.vast.cloud.bills()) == 1
    endpoint = both.session.record("voice").endpoint
    assert endpoint is not None
    assert endpoint.tls.startswith("sha256:")
    assert [one.host for one in denied(both)] == ["502"]
    assert not both.deploy("vast").changed
    assert len(both.vast.cloud.bills()) == 1
    assert both.vast.cloud.too_soon == []
    assert both.vast.cloud.misfits == []
    operate.destroy(both.session, "voice")
    assert both.vast.cloud.bills() == {}


def test_a_stop_and_a_start_at_vast_have_another_certificate(both: Both) -> None:
    """The record follows it."""
    both.deploy("vast")
    before = both.session.record("voice").endpoint
    operate.stop(both.session, "voice")
    operate.start(both.session, "voice", lambda _: SECRETS)
    after = both.session.record("voice").endpoint
    assert before is not None
    assert after is not None
    assert before.tls != after.tls
    (view,) = observe(both.session, "voice")
    assert view.status.state is State.READY


def test_all_fail_at_both(both: Both) -> None:
    """Exit 7, and nothing bills anywhere."""
    both.runpod.cloud.fail("create", 400, FULL, times=None)
    both.vast.cloud.bad_machines |= dict.fromkeys((ask.machine_id for ask in both.vast.cloud.asks), CUDA)
    with pytest.raises(NoCapacityError) as caught:
        both.deploy("vast", "runpod")
    assert isinstance(caught.value.data, dict)
    providers = {one["offer"]["provider"] for one in caught.value.data["attempts"]}
    assert (providers, both.vast.cloud.bills(), both.runpod.cloud.billing()) == ({"vast", "runpod"}, {}, [])
    assert both.session.records() == []


def test_runpod_takes_over_from_vast(both: Both) -> None:
    """When everything at Vast was taken since the search."""
    both.vast.cloud.fail("create", GONE_410, times=9)
    deployed = both.deploy("vast", "runpod")
    assert outcomes(deployed)[-1] == "ready"
    assert both.session.record("voice").ref.provider == "runpod"
    assert (both.vast.cloud.bills(), len(both.runpod.cloud.named(both.session.record("voice").ref.label))) == ({}, 1)


def denied(both: Both) -> list[Any]:
    """Return the hosts that are left alone."""
    with both.session.journal() as journal:
        return journal.denied_hosts()
