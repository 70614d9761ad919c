"""Lines of the gateway's log: a time in ISO 8601, a space, the text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from plexctl.model import LogLine


def parse_line(raw: str) -> LogLine:
    """Split a line into its time and text; a line without a time is all text."""
    stamp, separator, text = raw.partition(" ")
    if separator:
        try:
            return LogLine(text, datetime.fromisoformat(stamp).timestamp())
        except ValueError:
            pass
    return LogLine(raw)


def since_filter(lines: Iterable[str], since: float | None) -> Iterator[LogLine]:
    """Yield the lines from `since` (epoch seconds) on; a line without a time belongs to the one before it."""
    shown = since is None
    for raw in lines:
        line = parse_line(raw)
        if since is not None and line.time is not None:
            shown = line.time >= since
        if shown:
            yield line
