"""The verdict is a pure function of the stages, total over every stage and outcome."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexctl.probe.verdicts import VERDICTS, verdict_of, worst_of
from plexctl.wire import Stage

STAGES = ("dns", "tcp", "tls", "http", "upgrade", "handshake", "audio")


def failing(name: str, outcome: str) -> list[Stage]:
    """Return the stages of a probe that failed at `name`."""
    passed = [Stage(stage, "ok", 0.001) for stage in STAGES[: STAGES.index(name)]]
    return [*passed, Stage(name, outcome, 0.001)]


@pytest.mark.parametrize(
    ("name", "outcome", "verdict"),
    [
        ("dns", "name_not_found", "unreachable"),
        ("tcp", "refused", "unreachable"),
        ("tls", "self_signed", "unreachable"),
        ("tls", "skipped", "reachable"),
        ("http", "ok", "reachable"),
        ("http", "redirect", "unreachable"),
        ("http", "bad_gateway", "unreachable"),
        ("http", "loading", "loading"),
        ("http", "busy", "busy"),
        ("http", "draining", "busy"),
        ("http", "failed", "rejected"),
        ("http", "unauthorized", "unauthorized"),
        ("upgrade", "busy", "busy"),
        ("upgrade", "loading", "loading"),
        ("upgrade", "unauthorized", "unauthorized"),
        ("upgrade", "rejected", "rejected"),
        ("upgrade", "timeout", "unreachable"),
        ("handshake", "silent", "silent"),
        ("handshake", "closed_1006", "rejected"),
        ("handshake", "closed_1013", "busy"),
        ("handshake", "loading", "loading"),
        ("audio", "ok", "talking"),
        ("audio", "slow", "slow"),
        ("audio", "stalled", "slow"),
        ("audio", "silent", "silent"),
        ("audio", "closed", "rejected"),
        ("audio", "broken", "rejected"),
    ],
)
def test_the_last_stage_decides(name: str, outcome: str, verdict: str) -> None:
    """One row for each verdict and the outcomes that lead to it."""
    assert verdict_of(failing(name, outcome)) == verdict


@given(st.sampled_from(STAGES), st.text(max_size=12))
def test_every_outcome_has_a_verdict(name: str, outcome: str) -> None:
    """An outcome nobody thought of is still a verdict, and never a good one."""
    verdict = verdict_of(failing(name, outcome))
    assert verdict in VERDICTS
    assert (verdict in ("talking", "reachable")) == (outcome in ("ok", "skipped"))


def test_no_stage_at_all_is_unreachable() -> None:
    """Nothing was even tried."""
    assert verdict_of([]) == "unreachable"


def test_the_worst_of_several_counts() -> None:
    """One bad conversation spoils the verdict."""
    assert worst_of(["talking", "busy", "slow"]) == "busy"
