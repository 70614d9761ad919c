"""When a conversation has to end by the clock: pure, fed with moments, asked once a second.

Each limit has its own words, so that whoever reads the close reason knows what happened.
"""

from __future__ import annotations

from dataclasses import dataclass

from plexctl.gateway.frames import CloseCode
from plexctl.gateway.settings import Limits

ENGINE_STALL_S = 10.0
"""How long an engine may refuse audio before it counts as stuck."""
NOTICE_S = 60.0
"""How long before the session limit a caller is told of it; half the session where that is shorter."""


@dataclass(frozen=True, slots=True)
class Ending:
    """Why a conversation ends: the close code and the words that the caller gets."""

    code: CloseCode
    reason: str


class Deadlines:
    """The moments of one conversation, in seconds of one monotonic clock."""

    def __init__(self, limits: Limits, now: float) -> None:
        self._limits = limits
        self._started = now
        self._talking_since: float | None = None
        self._last_audio = now
        self._pinged: float | None = None
        self._next_ping = now + limits.heartbeat_s
        self._is_told = False
        self._backlog_since: float | None = None
        self._stalled_since: float | None = None

    def talking(self, now: float) -> None:
        """Take note that the engine's handshake has come."""
        self._talking_since = self._last_audio = now

    def audio(self, now: float) -> None:
        """Take note that the caller sent audio."""
        self._last_audio = now

    def pong(self) -> None:
        """Take note that the caller answered a ping."""
        self._pinged = None

    def flow(self, now: float, *, is_open: bool) -> None:
        """Take note that the engine takes audio, or stopped taking it."""
        self._stalled_since = None if is_open else now
        if is_open:
            self._pinged = None

    def backlog(self, now: float, waiting_bytes: int) -> Ending | None:
        """Say how much waits for the caller; returns an ending when it is too much or waits too long."""
        if not waiting_bytes:
            self._backlog_since = None
            return None
        if self._backlog_since is None:
            self._backlog_since = now
        is_late = now - self._backlog_since >= self._limits.caller_backlog_s
        if is_late or waiting_bytes > self._limits.caller_backlog_bytes:
            return Ending(CloseCode.POLICY, "too slow")
        return None

    def wants_ping(self, now: float) -> bool:
        """Tell whether a ping is to be sent now, and count it as sent."""
        if now < self._next_ping or self._pinged is not None or self._stalled_since is not None:
            return False
        self._pinged = now
        self._next_ping = now + self._limits.heartbeat_s
        return True

    def wants_notice(self, now: float) -> float | None:
        """Return the seconds left to a caller who is to be told of the session limit now, and count it as told."""
        limit_s = self._limits.session_s
        if limit_s is None or self._is_told or self._talking_since is None:
            return None
        left_s = self._started + limit_s - now
        if left_s > min(NOTICE_S, limit_s / 2):
            return None
        self._is_told = True
        return left_s

    def due(self, now: float) -> Ending | None:
        """Return the ending whose time has come."""
        limits = self._limits
        if limits.session_s is not None and now - self._started >= limits.session_s:
            return Ending(CloseCode.NORMAL, "session limit")
        if self._stalled_since is not None:
            is_stuck = now - self._stalled_since >= ENGINE_STALL_S
            return Ending(CloseCode.ENGINE, "engine stalled") if is_stuck else None
        if self._pinged is not None and now - self._pinged >= limits.heartbeat_s:
            return Ending(CloseCode.POLICY, "no answer to ping")
        if self._talking_since is None:
            is_late = now - self._started >= limits.handshake_s
            return Ending(CloseCode.ENGINE, "engine gave no handshake") if is_late else None
        if now - self._last_audio >= limits.silence_s:
            return Ending(CloseCode.POLICY, "no audio")
        return None
