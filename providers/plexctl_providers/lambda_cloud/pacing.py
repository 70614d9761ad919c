"""When Lambda may be asked again: one request a second, one launch in twelve, and not at all for a while after a 429.

Source: the introduction of Lambda's OpenAPI description 1.10.0. One pace for each address and key in this process,
since each adapter is a fresh one.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from plexctl_providers._common.clock import Clock

REQUEST_S, LAUNCH_S = 1.0, 12.0
"""Between two requests, and between two launches."""
_MARGIN_S = 0.1
"""Two requests may come closer together than they were sent."""
_HOLD_S, _LONGEST_HOLD_S = 5.0, 60.0
"""After the first 429 that does not say how long, doubled with each that follows."""


@dataclass(slots=True)
class Pace:
    """When the next request may go. Safe to use from several threads."""

    _request_due: float = 0.0
    _launch_due: float = 0.0
    _hold_s: float = _HOLD_S
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def turn(self, clock: Clock, *, is_launch: bool = False) -> None:
        """Wait until a request may go, and count it."""
        with self._lock:
            now = clock.now()
            due = max(now, self._request_due, self._launch_due if is_launch else now)
            self._request_due = due + REQUEST_S + _MARGIN_S
            if is_launch:
                self._launch_due = due + LAUNCH_S + _MARGIN_S
        if due > now:
            clock.sleep(due - now)

    def answered(self) -> None:
        """Take note that an answer was no 429."""
        with self._lock:
            self._hold_s = _HOLD_S

    def refused(self, headers: Mapping[str, str], clock: Clock) -> None:
        """Take note of a 429: nobody is asked until its Retry-After is over, or a time that doubles."""
        told = headers.get("Retry-After", "").strip()
        with self._lock:
            wait_s = float(told) if told.isascii() and told.isdigit() else self._hold_s
            self._request_due = max(self._request_due, clock.now() + min(wait_s, _LONGEST_HOLD_S))
            self._hold_s = min(2 * self._hold_s, _LONGEST_HOLD_S)


_PACES: dict[tuple[str, int], Pace] = {}


def pace_of(base: str, key: str) -> Pace:
    """Return the pace of an address and a key, of which only the hash is kept."""
    return _PACES.setdefault((base, hash(key)), Pace())
