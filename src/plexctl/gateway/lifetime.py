"""When the gateway ends by itself: at its expiry, or after a time without a conversation. Pure but for the ticking.

An end by the clock is a drain like any other: live conversations may finish first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_TICK_S = 0.25


class Lifetime:
    """Fed with moments: `wall` in Unix seconds for the expiry, `now` monotonic for idleness."""

    def __init__(self, expires_at: float | None, idle_s: float | None, now: float) -> None:
        self._expires_at = expires_at
        self._idle_s = idle_s
        self._quiet_since: float = now

    def over(self, *, wall: float, now: float, is_busy: bool) -> str | None:
        """Return why the gateway's time is over, None while it is not."""
        if is_busy:
            self._quiet_since = now
        if self._expires_at is not None and wall >= self._expires_at:
            return "expired"
        if self._idle_s is not None and now - self._quiet_since >= self._idle_s:
            return f"no conversation for {self._idle_s:.0f} s"
        return None


async def until_over(
    lifetime: Lifetime, wall: Callable[[], float], now: Callable[[], float], is_busy: Callable[[], bool]
) -> str:
    """Wait until the gateway's time is over; returns why."""
    while True:
        why = lifetime.over(wall=wall(), now=now(), is_busy=is_busy())
        if why is not None:
            return why
        await asyncio.sleep(_TICK_S)
