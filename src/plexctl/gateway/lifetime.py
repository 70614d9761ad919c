"""When the gateway ends by itself: at its expiry, or after a time without a conversation. Pure but for the ticking.

An end by the clock is a drain like any other: live conversations may finish first. Idleness begins when somebody could
talk for the first time: a container that loads for longer than its idle limit must not end itself for that.
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
        self._has_begun = False

    def over(self, *, wall: float, now: float, is_busy: bool, is_loading: bool = False) -> str | None:
        """Return why the gateway's time is over, None while it is not."""
        self._has_begun = self._has_begun or not is_loading
        if is_busy or not self._has_begun:
            self._quiet_since = now
        if self._expires_at is not None and wall >= self._expires_at:
            return "expired"
        if self._idle_s is not None and now - self._quiet_since >= self._idle_s:
            return f"no conversation for {self._idle_s:.0f} s"
        return None


async def until_over(
    lifetime: Lifetime, wall: Callable[[], float], now: Callable[[], float], use: Callable[[], tuple[bool, bool]]
) -> str:
    """Wait until the gateway's time is over; returns why. `use` says whether it is busy, and whether it still loads."""
    while True:
        is_busy, is_loading = use()
        why = lifetime.over(wall=wall(), now=now(), is_busy=is_busy, is_loading=is_loading)
        if why is not None:
            return why
        await asyncio.sleep(_TICK_S)
