"""From what a gateway says to what is true of a deployment."""

from __future__ import annotations

import json
from typing import Any

import pytest

from plexctl.flows.health import STATE_MAP, Health, parse_health
from plexctl.flows.observe import RUNNING, iso, refine
from plexctl.gateway.health import STATES
from plexctl.model import Endpoint, Status
from plexctl.states import State

ENDPOINT = Endpoint("http://127.0.0.1:8998", "ws://127.0.0.1:8998/api/chat", "none")
BODY: dict[str, Any] = {
    "state": "loading",
    "phase": "audio codec",
    "progress": 0.5,
    "engines": 2,
    "busy": 1,
    "capacity": 2,
    "version": "0.1.0",
    "deployment": "voice",
    "reason": None,
}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("starting", State.LOADING),
        ("downloading", State.LOADING),
        ("loading", State.LOADING),
        ("warming", State.LOADING),
        ("ready", State.READY),
        ("draining", State.DRAINING),
        ("failed", State.FAILED),
        ("dancing", State.UNKNOWN),
        ("", State.UNKNOWN),
        ("READY", State.UNKNOWN),
    ],
)
def test_each_word_of_the_gateway_is_a_state(word: str, state: State) -> None:
    """One row a word; what plexctl does not know is UNKNOWN, never a guess."""
    health = parse_health(json.dumps(BODY | {"state": word}).encode())
    assert health is not None
    assert health.state is state


def test_the_map_knows_every_word_that_our_gateway_says() -> None:
    """A new state of the gateway is a new row of the map."""
    assert set(STATE_MAP) == set(STATES)


def test_an_answer_is_read_whole() -> None:
    """Phase, progress, engines and busy places come along."""
    assert parse_health(json.dumps(BODY).encode()) == Health(State.LOADING, "audio codec", 0.5, 2, 1, None)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"ok\n",
        b"<html>",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"7",
        b'"ready"',
        b"{}",
        b'{"state": "ready"}',
        json.dumps(BODY | {"state": ["ready"]}).encode(),
        json.dumps(BODY | {"progress": "half"}).encode(),
        json.dumps(BODY | {"engines": None}).encode(),
        json.dumps(BODY | {"busy": "x"}).encode(),
        b'{"state": "ready", "phase": "x", "progress": null, "engines": 1e999, "busy": 0}',
        b"[" * 100_000,
    ],
    ids=range(16),
)
def test_what_is_no_gateways_answer_is_none(body: bytes) -> None:
    """A proxy's page, another server's JSON, nothing: no health, and no exception."""
    assert parse_health(body) is None


def test_a_silent_gateway_is_loading_and_it_is_said() -> None:
    """The process lives and does not answer: that is all that is known."""
    status = refine(Status(State.LOADING, ENDPOINT, "the gateway is running"), None)
    assert status == Status(State.LOADING, ENDPOINT, "running; the gateway does not answer yet")


@pytest.mark.parametrize(
    ("health", "state", "words"),
    [
        (Health(State.READY, "ready", 1.0, 2, 1, None), State.READY, "1 of 2 engines busy"),
        (Health(State.LOADING, "model", 0.42, 1, 0, None), State.LOADING, "model 42%"),
        (Health(State.LOADING, "model", None, 1, 0, None), State.LOADING, "model"),
        (Health(State.FAILED, "given up", None, 1, 0, "out of GPU memory"), State.FAILED, "out of GPU memory"),
        (Health(State.DRAINING, "live conversations may finish", None, 1, 1, None), State.DRAINING, "live"),
        (Health(State.UNKNOWN, "dancing", None, 1, 0, None), State.UNKNOWN, "dancing"),
    ],
)
def test_the_gateways_own_word_refines_the_providers(health: Health, state: State, words: str) -> None:
    """Its state is the state; the words are its reason, its load, or how far it is."""
    status = refine(Status(State.LOADING, ENDPOINT), health)
    assert (status.state, status.endpoint) == (state, ENDPOINT)
    assert words in status.detail


def test_what_runs_is_what_may_cost() -> None:
    """Every state but the ended ones and UNKNOWN counts as running."""
    assert set(RUNNING) == set(State) - {State.STOPPED, State.FAILED, State.MISSING, State.UNKNOWN}


def test_times_are_shown_in_utc_to_the_second() -> None:
    """ISO 8601 with Z."""
    assert iso(1_796_126_400.9) == "2026-12-01T12:00:00Z"
