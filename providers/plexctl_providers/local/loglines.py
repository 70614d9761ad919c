"""What the last lines of the gateway's log say of its end. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from plexctl_providers._common.loglines import parse_line, since_filter

__all__ = ["ending", "parse_line", "since_filter"]

_DRAINING = "gateway draining: "
_STOPPED = "gateway stopped"
"""The gateway's last words when it ends in order, and the word before its reason (`plexctl.gateway.server`)."""


def ending(lines: Sequence[str]) -> str | None:
    """Return why the gateway ended in order, by its last lines; None when it did not."""
    texts = [parse_line(raw).text for raw in lines]
    if not texts or texts[-1] != _STOPPED:
        return None
    reasons = (text.removeprefix(_DRAINING) for text in reversed(texts) if text.startswith(_DRAINING))
    return next(reasons, "it was told to")
