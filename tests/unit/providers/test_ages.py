"""Moments as providers tell them: one form of ours, and nothing for what is none."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from plexctl.model import CREATED_AT, EXPIRES_AT
from plexctl_providers._common.ages import expiry_in, moment_of


@pytest.mark.parametrize(
    "told",
    [
        datetime(2026, 11, 21, tzinfo=UTC),
        "2026-11-21T00:00:00Z",
        "2026-11-21T01:00:00+01:00",
        "2026-11-21 00:00:00",
        1795219200,
        1795219200.4,
    ],
)
def test_a_moment_is_seconds_since_the_epoch(told: object) -> None:
    """RFC 3339 or a number; without a zone it is UTC."""
    assert moment_of(CREATED_AT, told) == {CREATED_AT: "1795219200"}


@pytest.mark.parametrize(
    "told",
    [
        None,
        True,
        "",
        "soon",
        "0",
        0,
        12.5,
        float("nan"),
        float("inf"),
        -1,
        [],
        {},
        "0001-01-01T00:00:00+14:00",
        10**400,
    ],
)
def test_what_is_no_moment_is_no_age(told: object) -> None:
    """Rubbish, and what is older than plexctl: nothing is ended by it."""
    assert moment_of(CREATED_AT, told) == {}


def test_an_expiry_is_read_from_the_environment() -> None:
    """Which the deployment was made with; none without a lifetime."""
    assert expiry_in({"PLEXCTL_EXPIRES_AT": "1795219200"}) == {EXPIRES_AT: "1795219200"}
    assert expiry_in({"PLEXCTL_EXPIRES_AT": "never"}) == expiry_in({}) == {}
