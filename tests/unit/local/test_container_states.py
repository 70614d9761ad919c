"""An engine's states of a container, row by row."""

from __future__ import annotations

import pytest

from plexctl.model import Endpoint
from plexctl.states import State
from plexctl_providers.local.container_states import ENDED, STATE_MAP, status_of

ENDPOINT = Endpoint("http://127.0.0.1:8998", "ws://127.0.0.1:8998/api/chat", "none")
ORDERLY = ["2026-12-01T12:00:00Z gateway draining: expired", "2026-12-01T12:00:01Z gateway stopped"]
DOCKER = {"created", "running", "paused", "restarting", "removing", "exited", "dead"}
"""Docker Engine API 1.41, ContainerState."""
PODMAN = {"configured", "created", "initialized", "running", "stopped", "paused", "exited", "removing", "stopping"}
"""libpod/define/containerstate.go of Podman 4.3, `unknown` left out."""
EXPECTED = {
    "created": State.CREATING,
    "configured": State.CREATING,
    "initialized": State.CREATING,
    "running": State.LOADING,
    "restarting": State.LOADING,
    "paused": State.UNKNOWN,
    "stopping": State.DRAINING,
    "removing": State.DRAINING,
    "exited": State.FAILED,
    "stopped": State.FAILED,
    "dead": State.FAILED,
}


def test_both_engines_words_are_all_known() -> None:
    """No state of Docker's or Podman's is missing, and every row is tested below."""
    assert set(STATE_MAP) == DOCKER | PODMAN == set(EXPECTED)


@pytest.mark.parametrize("word", EXPECTED)
def test_each_word_is_a_state(word: str) -> None:
    """In whatever case; with the endpoint, and a word for a reader."""
    status = status_of({"State": {"Status": word.title()}}, [], ENDPOINT)
    assert (status.state, status.endpoint) == (EXPECTED[word], ENDPOINT)
    assert status.detail


@pytest.mark.parametrize("found", [{}, {"State": {}}, {"State": {"Status": "levitating"}}])
def test_any_other_word_is_unknown(found: dict[str, object]) -> None:
    """A word of a later engine is told, not guessed at."""
    assert status_of(found, [], None).state is State.UNKNOWN


@pytest.mark.parametrize("word", ENDED)
def test_an_orderly_end_is_stopped_and_any_other_failed(word: str) -> None:
    """By the gateway's own last words and the exit code; killed, out of memory and refused are told apart."""

    def ended(code: int, last: list[str], **more: object) -> tuple[State, str]:
        status = status_of({"State": {"Status": word, "ExitCode": code, **more}}, last, None)
        return status.state, status.detail

    assert ended(0, ORDERLY) == (State.STOPPED, "ended: expired")
    assert ended(137, ORDERLY[:1]) == (State.FAILED, f"killed; its last words: {ORDERLY[0]}")
    assert ended(137, [], OOMKilled=True) == (
        State.FAILED,
        "killed: it took more memory than the container may",
    )
    assert ended(3, ["PLEXCTL_VOICE is no known voice"]) == (
        State.FAILED,
        "ended with exit code 3; its last words: PLEXCTL_VOICE is no known voice",
    )
    assert ended(0, []) == (State.FAILED, "ended with exit code 0; its last words: none")
