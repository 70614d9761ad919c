"""How long a failing Hub is tried again: growing pauses, its own Retry-After, and an end."""

from __future__ import annotations

import time
from collections.abc import Callable

from plexctl.gateway.weights.errors import FetchError

_FIRST_S = 0.2
_LONGEST_S = 10.0
LONGEST_RETRY_AFTER_S = 600.0
"""A Hub that wants more is not waited for: the reason says how long it asked for."""
_MOST_ORDERED = 10


class Patience:
    """The tries of one thing. `sleep` takes seconds; `on_wait` hears of each pause before it begins."""

    def __init__(
        self,
        limit_s: float,
        on_wait: Callable[[FetchError, float], None],
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limit_s = limit_s
        self._on_wait = on_wait
        self._now = now
        self._sleep = sleep
        self._ordered = 0
        self._since = now()
        self._pause_s = _FIRST_S

    def progressed(self) -> None:
        """Something came: patience begins anew."""
        self._since = self._now()
        self._pause_s = _FIRST_S

    def wait(self, error: FetchError) -> None:
        """Pause before the next try; raises `error` when there is no use in one."""
        if error.is_final:
            raise error
        if error.retry_after_s is None:
            pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, _LONGEST_S)
            if self._now() + pause_s - self._since > self._limit_s:
                raise error
        else:
            pause_s = error.retry_after_s
            self._ordered += 1
            if pause_s > LONGEST_RETRY_AFTER_S or self._ordered > _MOST_ORDERED:
                raise FetchError(f"{error.words} (it asks to wait {pause_s:.0f} s)", error.cause) from error
            self._since = self._now() + pause_s
        self._on_wait(error, pause_s)
        self._sleep(pause_s)
