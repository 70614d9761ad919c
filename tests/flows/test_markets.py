"""Offers tried in turn at the loopback markets, with the real adapters and gateways; their books say what is alive."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.clouds.runpod.faults import FULL
from tests.clouds.runpod.world import RunPodWorld
from tests.clouds.vast.faults import BROKEN, GONE_410
from tests.clouds.vast.running import RealGateway
from tests.clouds.vast.world import CUDA, IMAGE, VastWorld
from tests.flows.conftest import Reporter

from plexctl.catalog.wishes import Wish
from plexctl.contract import Context, Provider
from plexctl.errors import DriftError, NoCapacityError, ProviderError
from plexctl.flows import operate
from plexctl.flows.asking import Order
from plexctl.flows.bringing import Acting, Deployed
from plexctl.flows.collecting import ENDS, Collected, collect
from plexctl.flows.deploy import deploy
from plexctl.flows.observe import observe
from plexctl.flows.preparing import prepare
from plexctl.flows.session import Session
from plexctl.flows.surveying import Scope, survey
from plexctl.flows.tally import Tally
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


def gc(both: Both, *, deletes: bool = False, takes_young: bool = False) -> dict[str, Any]:
    """Do what `plexctl gc` does; return the document's data. Raises DriftError, ProviderError."""
    found = survey(both.session, Scope(takes_young=takes_young))
    doomed = [one for one in found.differences if one.kind in ENDS]
    tally = Tally(found, collect(both.session, doomed) if deletes else Collected())
    tally.raise_what_is_left(deletes=deletes)
    return tally.to_dict()


@pytest.mark.parametrize("market", ["vast", "runpod"])
def test_a_destroy_that_failed_is_ended_later(both: Both, market: str) -> None:
    """500 and still listed: exit 8; gc shows it (13), its delete fails (8), then ends it, and nothing is left (0)."""
    both.deploy(market)

    def refuse() -> None:
        both.vast.cloud.fail("destroy", BROKEN, times=4)
        both.runpod.cloud.fail("delete", 500, times=None)

    refuse()
    with pytest.raises(ProviderError) as failed:
        operate.destroy(both.session, "voice")
    assert failed.value.exit_code == 8
    with pytest.raises(DriftError) as found:
        gc(both)
    assert found.value.exit_code == 13
    assert isinstance(found.value.data, dict)
    (orphan,) = found.value.data["orphans"]
    assert (orphan["provider"], orphan["why"]) == (market, "its destroy was not finished")
    assert found.value.data["price_per_hour"] == orphan["price_per_hour"] > 0
    both.vast.cloud.faults.clear()
    refuse()
    with pytest.raises(ProviderError, match="is still there"):
        gc(both, deletes=True)
    both.vast.cloud.faults.clear()
    both.runpod.cloud.faults.clear()
    assert [one["name"] for one in gc(both, deletes=True)["deleted"]] == ["voice"]
    assert (both.vast.cloud.bills(), both.runpod.cloud.billing(), both.session.records()) == ({}, [], [])
    assert gc(both)["deleted"] == []


FOREIGN = (
    "plexctl",
    "plexctl-voice",
    "my-plexctl-voice-abc234",
    "Plexctl-voice-abc234",
    "plexctl-Voice-abc234",
    "voice",
)
"""Names that begin or look like ours, and are not."""


@pytest.mark.parametrize("market", ["vast", "runpod"])
def test_without_any_local_state_only_what_is_plexctls_is_ended(both: Both, market: str) -> None:
    """The journal is lost: young for an hour, an orphan after it; what others named alike stays."""
    both.deploy(market)
    for name in FOREIGN:
        stranger(both, market, name)
    for file in both.session.home.glob("journal.db*"):
        file.unlink()
    with pytest.raises(DriftError) as found:
        gc(both, deletes=True)
    assert isinstance(found.value.data, dict)
    assert [one["name"] for one in found.value.data["young"]] == ["voice"]
    object.__setattr__(both.session, "now", lambda: time.time() + 7200)
    assert [one["name"] for one in gc(both, deletes=True)["deleted"]] == ["voice"]
    named = [*(one.label for one in both.vast.cloud.instances.values())]
    named += [one.name for one in both.runpod.cloud.pods.values()]
    assert sorted(named) == sorted(FOREIGN)


def stranger(both: Both, market: str, name: str) -> None:
    """Let somebody have the same, under a name of his own."""
    if market == "vast":
        mine = next(iter(both.vast.cloud.instances.values()))
        both.vast.cloud._make(both.vast.cloud.asks[1], {**mine.body, "label": name})
        return
    pods = both.runpod.cloud.pods
    mine_too = next(iter(pods.values()))
    number = f"stranger{len(pods):06d}"
    pods[number] = replace(mine_too, id=number, body={**mine_too.body, "name": name})


def denied(both: Both) -> list[Any]:
    """Return the hosts that are left alone."""
    with both.session.journal() as journal:
        return journal.denied_hosts()
