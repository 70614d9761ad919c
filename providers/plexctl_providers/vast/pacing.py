"""Vast's minimum intervals, kept on this side, so that nothing is asked too often; and what it said a moment ago.

One `Pacing` serves every adapter of an account in a process, since Vast counts by account; its clock can be another.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from plexctl.secret import Secret

CREATE, DESTROY, SHOW, LIST, MANAGE = "create", "destroy", "show", "list", "manage"
SEARCH, LOGS, USER = "search", "logs", "user"
ALLOWED: dict[str, tuple[int, float]] = {
    CREATE: (1, 4.5),
    DESTROY: (1, 3.0),
    SHOW: (1, 2.0),
    LIST: (1, 1.0),
    MANAGE: (1, 1.0),
    SEARCH: (10, 60.0),
    LOGS: (1, 1.0),
    USER: (1, 1.0),
}
"""Requests and the seconds in which no more are sent.

Source: the rate limits in vast-ai/docs at c624622; it has none for logs and users, which are treated as lists are.
"""
PENALTY_S = 12.0
"""What Vast adds after a create that came too soon."""
LONGEST_WAIT_S = 60.0
_MARGIN_S = 0.1
"""Vast's clock is another one."""


@dataclass
class Pacing:
    """When the next request of a kind may go. Safe to use from several threads."""

    now: Callable[[], float] = time.monotonic
    """Seconds that only ever go on."""
    sleep: Callable[[float], None] = time.sleep
    _sent: dict[str, deque[float]] = field(default_factory=dict, init=False)
    _not_before: dict[str, float] = field(default_factory=dict, init=False)
    _said: dict[object, tuple[float, object]] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def turn(self, kind: str) -> None:
        """Wait until a request of that kind may go, and count it."""
        most, seconds = ALLOWED[kind]
        with self._lock:
            now = self.now()
            sent = self._sent.setdefault(kind, deque(maxlen=most))
            due = max(now, self._not_before.get(kind, now))
            if len(sent) == most:
                due = max(due, sent[0] + seconds + _MARGIN_S)
            sent.append(due)
        if due > now:
            self.sleep(due - now)

    def answered(self, kind: str) -> None:
        """Count the last request of that kind from now: Vast got it at some time until its answer came."""
        with self._lock:
            sent = self._sent[kind]
            sent[-1] = max(sent[-1], self.now())

    def hold_off(self, kind: str, seconds: float) -> None:
        """Send nothing of that kind for so long: Vast said that it was too often."""
        with self._lock:
            self._not_before[kind] = self.now() + seconds

    def note(self, key: object, value: object) -> None:
        """Keep what was said, for `recall`."""
        with self._lock:
            self._said[key] = (self.now(), value)

    def recall(self, key: object, most_age_s: float) -> object | None:
        """Return what was said at most so long ago."""
        with self._lock:
            when, value = self._said.get(key, (0.0, None))
            return value if value is not None and self.now() - when <= most_age_s else None

    def forget(self, key: object) -> None:
        """Keep it no longer: it was changed."""
        with self._lock:
            self._said.pop(key, None)


_BY_ACCOUNT: dict[tuple[str, Secret], Pacing] = {}


def pace_of(address: str, key: Secret) -> Pacing:
    """Return the process's own pace for an account at an address: adapters are made anew for each call."""
    return _BY_ACCOUNT.setdefault((address, key), Pacing())
