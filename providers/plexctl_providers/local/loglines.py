"""Lines of the gateway's log: a time in ISO 8601, a space, the text. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from plexctl.model import LogLine

_DRAINING = "gateway draining: "
_STOPPED = "gateway stopped"
"""The gateway's last words when it ends in order, and the word before its reason (`plexctl.gateway.server`)."""


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


def ending(lines: Sequence[str]) -> str | None:
    """Return why the gateway ended in order, by its last lines; None when it did not."""
    texts = [parse_line(raw).text for raw in lines]
    if not texts or texts[-1] != _STOPPED:
        return None
    reasons = (text.removeprefix(_DRAINING) for text in reversed(texts) if text.startswith(_DRAINING))
    return next(reasons, "it was told to")
