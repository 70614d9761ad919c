"""A start is followed by the session's clock, to whatever end it takes."""

from __future__ import annotations

import threading
import time

import pytest
from tests.flows.conftest import World
from tests.flows.sky import LOADING, READY

from plexctl.errors import (
    CredentialsError,
    NoCapacityError,
    PlexError,
    PreflightError,
    ProviderError,
    UnhealthyError,
)
from plexctl.model import Usage
from plexctl.spec import Limits, Spec
from plexctl.states import State


def test_a_cold_start_of_ten_minutes_is_waited_for(world: World, spec: Spec) -> None:
    """503 and loading are no failure; readiness is noticed within a second; a test of it takes few."""
    world.sky.health = lambda: None if world.clock.passed_s < 300 else LOADING if world.clock.passed_s < 600 else READY
    begun = time.monotonic()
    assert world.deploy(spec).view.status.state is State.READY
    assert 600 <= world.clock.passed_s <= 601
    assert time.monotonic() - begun < 20


def test_the_providers_api_is_left_alone_while_the_gateway_is_awaited(world: World, spec: Spec) -> None:
    """The gateway is asked each time, the provider every five seconds."""
    world.sky.health = lambda: None if world.clock.passed_s < 60 else READY
    world.deploy(spec)
    assert world.sky.calls.count("status") <= 60 / 5 + 2
    assert world.sky.asked > 60


def test_the_start_limit_ends_it(world: World) -> None:
    """What is not ready in time is exit 9, with its log, and it is removed."""
    world.sky.health = lambda: None
    limited = Spec(name="voice", provider="sky", engine="echo", limits=Limits(start_timeout_s=90))
    with pytest.raises(UnhealthyError) as caught:
        world.deploy(limited)
    assert caught.value.message == "voice was not ready within 90 s; removed, and kept: volume shared-weights"
    assert caught.value.data == {"log": ["a line of its log"]}
    assert 90 <= world.clock.passed_s < 91
    assert (world.sky.apps, world.session.records()) == ({}, [])


def test_a_start_of_which_nothing_came_up_had_no_machine(world: World) -> None:
    """A provider that scales by itself waits for a GPU in silence: at the start's limit that is exit 7, and removed."""
    world.sky.health = lambda: None
    world.sky.usage = Usage(0, None, "counted")
    limited = Spec(name="voice", provider="sky", engine="echo", limits=Limits(start_timeout_s=90))
    with pytest.raises(NoCapacityError, match="nothing of voice came up within 90 s"):
        world.deploy(limited)
    assert (world.sky.apps, world.session.records()) == ({}, [])


def test_a_failure_that_the_provider_tells_ends_it_at_once(world: World, spec: Spec) -> None:
    """A container that ends is not waited for."""
    world.sky.refuses = b"voice"
    with pytest.raises(UnhealthyError, match="voice failed: the container ended with 1"):
        world.deploy(spec)
    assert world.clock.passed_s < 1
    assert world.sky.apps == {}


@pytest.mark.parametrize("kind", [PreflightError, NoCapacityError, CredentialsError])
def test_quota_and_capacity_keep_their_codes(world: World, spec: Spec, kind: type[PlexError]) -> None:
    """What the provider says of a start that no waiting mends is let through, and nothing is left."""
    world.sky.fails["status"] = kind("MemAllocPerProjectRegion: 40 GiB")
    with pytest.raises(kind, match="MemAllocPerProjectRegion"):
        world.deploy(spec)
    assert (world.sky.apps, world.session.records()) == ({}, [])


def test_a_provider_that_stumbles_is_waited_for(world: World, spec: Spec) -> None:
    """A minute of failed reads is tolerated; what the gateway says counts meanwhile."""

    def health() -> dict[str, object] | None:
        if world.clock.passed_s < 30:
            return None
        world.sky.fails.clear()
        return READY

    world.sky.health = health
    world.sky.fails["status"] = ProviderError("500")
    assert world.deploy(spec).view.status.state is State.READY


def test_a_gateway_that_is_ready_needs_no_providers_word(world: World, spec: Spec) -> None:
    """The provider's API is down, the deployment talks: it is deployed."""
    world.sky.fails["status"] = ProviderError("500")
    assert world.deploy(spec).view.status.state is State.READY


class Frozen(dict[str, BaseException]):
    """A connection that is up and says nothing: after the first answer every status fails, some only late."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world
        self._asked = 0

    def __contains__(self, method: object) -> bool:
        self._asked += method == "status"
        return method == "status" and self._asked > 1

    def __getitem__(self, method: str) -> BaseException:
        clock = self._world.clock
        asked_at, pause = clock.passed_s, threading.Event()
        while self._asked % 9 == 0 and clock.passed_s == asked_at:
            pause.wait(0.01)
        return ProviderError("it accepts the connection and says nothing")


def test_a_provider_that_takes_long_to_say_nothing_is_silent(world: World, spec: Spec) -> None:
    """Looks between question and failure are no sign of life: after a minute it is exit 8."""
    world.sky.health = lambda: None
    world.sky.fails = Frozen(world)
    with pytest.raises(ProviderError, match="answered for 60 s: it accepts the connection"):
        world.deploy(spec)
    assert 60 <= world.clock.passed_s < 75


def test_a_network_that_is_gone_is_told_with_what_is_left(world: World, spec: Spec) -> None:
    """After a minute of silence exit 8; what cannot be removed either is named, with what ends it, and recorded."""
    world.sky.health = lambda: None
    world.sky.fails |= {method: ProviderError("no route to host") for method in ("status", "destroy", "logs")}
    with pytest.raises(ProviderError) as caught:
        world.deploy(spec)
    assert 60 <= world.clock.passed_s < 62
    for words in ("answered for 60 s: no route to host", "app plexctl-voice-", "run `plexctl destroy voice`"):
        assert words in caught.value.message
    (record,) = world.session.records()
    assert {one.kind for one in record.ref.resources} == {"app", "volume"}
