"""Lines of the gateway's log, taken apart and filtered."""

from __future__ import annotations

import pytest

from plexctl.model import LogLine
from plexctl_providers.local.loglines import ending, parse_line, since_filter

NOON = 1_796_126_400.0
LOG = [
    "started by hand",
    "2026-12-01T12:00:00Z gateway one",
    "  a line that belongs to one",
    "2026-12-01T12:00:10Z gateway two",
    "Traceback (most recent call last):",
    "2026-12-01T12:00:20Z gateway three",
]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("2026-12-01T12:00:00Z gateway hello", LogLine("gateway hello", NOON)),
        ("2026-12-01T12:00:00+00:00 hello", LogLine("hello", NOON)),
        ("2026-12-01T13:00:00+01:00 hello", LogLine("hello", NOON)),
        ("2026-12-01T12:00:00Z", LogLine("2026-12-01T12:00:00Z")),
        ("Traceback (most recent call last):", LogLine("Traceback (most recent call last):")),
        ("", LogLine("")),
        (" indented", LogLine(" indented")),
        ("\x1b[31mred", LogLine("\x1b[31mred")),
    ],
)
def test_a_line_is_a_time_and_a_text_or_a_text(raw: str, expected: LogLine) -> None:
    """What begins with no time is all text, and nothing is lost or escaped on the way."""
    assert parse_line(raw) == expected


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        (None, LOG),
        (NOON - 1, LOG[1:]),
        (NOON, LOG[1:]),
        (NOON + 1, LOG[3:]),
        (NOON + 10, LOG[3:]),
        (NOON + 20, LOG[5:]),
        (NOON + 21, []),
    ],
)
def test_since_takes_whole_entries(since: float | None, expected: list[str]) -> None:
    """A line without a time goes with the one before it."""
    assert list(since_filter(LOG, since)) == [parse_line(line) for line in expected]


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([], None),
        (["2026-12-01T12:00:00Z gateway engine-0 is ready"], None),
        (["2026-12-01T12:00:00Z gateway draining: SIGTERM"], None),
        (["2026-12-01T12:00:00Z gateway draining: SIGTERM", "2026-12-01T12:00:01Z gateway stopped"], "SIGTERM"),
        (
            [
                "2026-12-01T12:00:00Z gateway draining: SIGTERM",
                "2026-12-01T12:00:01Z gateway stopped",
                "2026-12-01T13:00:00Z gateway draining: expired",
                "2026-12-01T13:00:00Z engine-0 bye",
                "2026-12-01T13:00:01Z gateway stopped",
            ],
            "expired",
        ),
        (["2026-12-01T12:00:01Z gateway stopped"], "it was told to"),
        (["2026-12-01T12:00:01Z gateway stopped", "2026-12-01T12:00:02Z gateway listening on x"], None),
        (["2026-12-01T12:00:01Z engine-0 gateway stopped"], None),
    ],
)
def test_an_orderly_end_is_told_from_a_death(lines: list[str], why: str | None) -> None:
    """Only the gateway's own last words make it stopped; an engine that prints them does not."""
    assert ending(lines) == why
