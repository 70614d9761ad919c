"""A clock that goes on by itself, and jumps ahead when somebody sleeps."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field


@dataclass
class Clock:
    """Seconds: real ones, and those that were slept."""

    is_real: bool = False
    """Whether sleeping takes its time."""
    _skipped: float = field(default=0.0, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    def now(self) -> float:
        """Return seconds that only ever go on."""
        return time.monotonic() + self._skipped

    def wall(self) -> float:
        """Return seconds since the epoch."""
        return time.time() + self._skipped

    def sleep(self, seconds: float) -> None:
        """Be that much later, at once."""
        if self.is_real:
            threading.Event().wait(seconds)
            return
        with self._lock:
            self._skipped += max(0.0, seconds)
        threading.Event().wait(0.0005)
