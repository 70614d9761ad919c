"""One verdict over the stages of a probe: a pure function and its table. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from plexctl.wire.stages import Stage

SLOW_BELOW = 0.95
"""Real-time factor under which a server is slow: the caller's buffer would run dry every few seconds."""

VERDICTS = (
    "talking",
    "reachable",
    "slow",
    "busy",
    "loading",
    "unauthorized",
    "rejected",
    "silent",
    "unreachable",
)
"""From good to bad. `reachable` is only for a probe told to stop before the audio: all it asked was answered."""

_TABLE = {
    ("http", "loading"): "loading",
    ("http", "busy"): "busy",
    ("http", "draining"): "busy",
    ("http", "unauthorized"): "unauthorized",
    ("http", "failed"): "rejected",
    ("http", "not_found"): "rejected",
    ("upgrade", "loading"): "loading",
    ("upgrade", "busy"): "busy",
    ("upgrade", "draining"): "busy",
    ("upgrade", "unauthorized"): "unauthorized",
    ("upgrade", "failed"): "rejected",
    ("upgrade", "rejected"): "rejected",
    ("upgrade", "not_found"): "rejected",
    ("upgrade", "not_websocket"): "rejected",
    ("upgrade", "server_error"): "rejected",
    ("upgrade", "closed"): "rejected",
    ("handshake", "silent"): "silent",
    ("handshake", "loading"): "loading",
    ("handshake", "closed_1013"): "busy",
    ("handshake", "closed_4401"): "unauthorized",
    ("audio", "slow"): "slow",
    ("audio", "stalled"): "slow",
    ("audio", "silent"): "silent",
}
_BY_STAGE = {
    "dns": "unreachable",
    "tcp": "unreachable",
    "tls": "unreachable",
    "http": "unreachable",
    "upgrade": "unreachable",
    "handshake": "rejected",
    "audio": "rejected",
}


def verdict_of(stages: Sequence[Stage]) -> str:
    """Return the verdict over stages: that of the last one, since a probe stops where it cannot go on."""
    if not stages:
        return "unreachable"
    last = stages[-1]
    if last.is_passed:
        return "talking" if last.name == "audio" else "reachable"
    return _TABLE.get((last.name, last.outcome), _BY_STAGE[last.name])


def worst_of(verdicts: Sequence[str]) -> str:
    """Return the worst verdict of several conversations."""
    return max(verdicts, key=VERDICTS.index)
