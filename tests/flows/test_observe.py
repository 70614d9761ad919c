"""What is told of a deployment that scales to zero: what is up, what it bills, what it has cost."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from tests.cli.schemas import DEPLOYMENT
from tests.flows.conftest import World

from plexctl.errors import PreflightError, ProviderError
from plexctl.flows.observe import observe
from plexctl.model import Usage
from plexctl.spec import Modal, Spec
from plexctl.states import State


def shown(world: World) -> dict[str, Any]:
    """Return the deployment as the document shows it."""
    (view,) = observe(world.session, "voice")
    found = view.to_dict(world.session.now())
    Draft202012Validator(DEPLOYMENT).validate(found)
    return found


def test_what_is_scaled_to_zero_is_idle_and_not_woken(world: World, spec: Spec) -> None:
    """The gateway is not asked, for that would start a GPU."""
    world.deploy(spec)
    world.sky.usage, asked = Usage(0, 1.5, "sky's bill"), world.sky.asked
    found = shown(world)
    assert (found["state"], found["replicas"], world.sky.asked) == (State.IDLE, 0, asked)
    assert found["bills_now"] == {"usd_per_hour": 0.0, "words": "nothing for GPUs while no container is up"}
    assert (found["cost_estimate"], found["cost_basis"]) == (1.5, "sky's bill")


def test_what_is_up_is_asked_and_billed_by_the_replica(world: World, spec: Spec) -> None:
    """Two of them cost twice the price."""
    world.deploy(spec)
    world.sky.usage = Usage(2, None, "its instances")
    found = shown(world)
    assert (found["state"], found["replicas"], found["engines"]) == (State.READY, 2, 1)
    assert found["bills_now"] == {"usd_per_hour": 0.06, "words": "2 x 0.03 USD per hour"}


def test_a_cost_that_nobody_tells_is_a_bound_and_says_so(world: World) -> None:
    """Price by age by all replicas that the spec allows."""
    world.deploy(Spec(name="voice", provider="sky", engine="echo", modal=Modal(max_containers=3)))
    world.sky.usage = Usage(0, None, "not billed yet")
    world.clock.passed_s += 7200
    found = shown(world)
    assert found["cost_estimate"] == pytest.approx(0.18, abs=0.001)
    assert found["cost_basis"] == "at most: price x age, as if all 3 replicas had been up all the time"


def test_billed_seconds_are_a_cost_by_the_offers_price(world: World, spec: Spec) -> None:
    """Where the provider tells seconds and no sum; said to be an estimate, and on what ground."""
    world.deploy(spec)
    world.sky.usage = Usage(0, None, "billed seconds by sky's meter", billed_s=1800)
    world.clock.passed_s += 7200
    found = shown(world)
    assert found["cost_estimate"] == pytest.approx(0.015)
    words = "estimated: 1800 billed seconds x 0.03 USD per hour of sky's own price list; billed seconds by sky's meter"
    assert found["cost_basis"] == words


def test_what_was_up_minutes_ago_is_asked(world: World, spec: Spec) -> None:
    """Nobody counted yet, but nothing is started by asking: the gateway's word is told, the count is not."""
    world.deploy(spec)
    world.sky.usage = Usage(None, None, "metrics lag; it came up 40 s ago", was_up=True)
    found = shown(world)
    assert (found["state"], found["replicas"]) == (State.READY, None)
    assert found["bills_now"]["words"] == "not known: metrics lag; it came up 40 s ago"


@pytest.mark.parametrize("reason", ["told", "raised"])
def test_usage_that_nobody_knows_is_unknown_and_not_woken(world: World, spec: Spec, reason: str) -> None:
    """With the reason; never a failure of status."""
    world.deploy(spec)
    if reason == "told":
        world.sky.usage = Usage(None, None, "metrics lag 3 minutes")
    else:
        world.sky.fails["usage"] = ProviderError("metrics lag 3 minutes")
    asked = world.sky.asked
    found = shown(world)
    assert (found["state"], found["replicas"], world.sky.asked) == (State.UNKNOWN, None, asked)
    assert "metrics lag 3 minutes; to ask its gateway would start it" in found["detail"]
    assert found["bills_now"] == {"usd_per_hour": None, "words": "not known: metrics lag 3 minutes"}


def test_a_provider_that_cannot_be_asked_is_unknown_in_its_words(world: World, spec: Spec) -> None:
    """Also where the error has a code of its own: status shows, and does not fail. The gateway's word goes before."""
    world.deploy(spec)
    world.sky.fails["status"] = PreflightError("quota exceeded")
    assert shown(world)["state"] == State.READY
    world.sky.health = lambda: None
    found = shown(world)
    assert (found["state"], found["detail"]) == (State.UNKNOWN, "quota exceeded")


def test_what_is_gone_bills_nothing(world: World, spec: Spec) -> None:
    """Recorded here, missing there."""
    world.deploy(spec)
    world.sky.apps.clear()
    found = shown(world)
    assert (found["state"], found["replicas"], found["bills_now"]["usd_per_hour"]) == (State.MISSING, 0, 0.0)
