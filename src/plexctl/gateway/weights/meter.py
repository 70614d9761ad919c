"""How far the weights are: bytes, speed and time left, in figures and in words. Fed by threads, read by one."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from plexctl.gateway.weights.messages import Progress

_WINDOW_S = 5.0
_GB = 1e9
_MB = 1e6
_MINUTE_S = 60
_HOUR_S = 3600


class Meter:
    """The bytes of each file. They never go back: what is fetched a second time counts from where it was."""

    def __init__(self, sizes: Mapping[str, int], here: Mapping[str, int]) -> None:
        self._sizes = dict(sizes)
        self._done = dict(here)
        self._finished: set[str] = set()
        self._seen: deque[tuple[float, int]] = deque()
        self._most = 0
        self.note = ""
        """What the fetch waits for, in words; empty while bytes come."""

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(self._sizes.values())

    def reached(self, name: str, position: int) -> None:
        """Take note of how many bytes of a file are here."""
        self._done[name] = position
        self.note = ""

    def finished(self, name: str) -> None:
        """Take note that a file is complete and right."""
        self._done[name] = self._sizes[name]
        self._finished.add(name)

    def read(self, now: float) -> Progress:
        """Return where it stands at a moment, in seconds of any clock that only goes forward."""
        self._most = max(self._most, sum(self._done.values()))
        self._seen.append((now, self._most))
        while len(self._seen) > 1 and now - self._seen[1][0] >= _WINDOW_S:
            self._seen.popleft()
        (since, before), left = self._seen[0], self.total - self._most
        speed = (self._most - before) / (now - since) if now > since else 0.0
        seconds_left = left / speed if speed else None
        words = in_words(self._most, self.total, speed, seconds_left)
        return Progress(
            phase=f"{words}, {self.note}" if self.note else words,
            bytes_done=self._most,
            bytes_total=self.total,
            bytes_per_second=round(speed),
            seconds_left=None if seconds_left is None else round(seconds_left, 1),
            files_done=len(self._finished),
            files_total=len(self._sizes),
        )


def in_words(done: int, total: int, speed: float, seconds_left: float | None) -> str:
    """Return the figures as a phase: `weights: 5.1 of 17.2 GB, 240 MB/s, 50 s left`."""
    if done >= total:
        return f"weights: {_amount(total, total)}, checking"
    words = f"weights: {_amount(done, total).rpartition(' ')[0]} of {_amount(total, total)}"
    if seconds_left is not None:
        words += f", {speed / _MB:.3g} MB/s, {_duration(seconds_left)} left"
    return words


def size_in_words(size: int) -> str:
    """Return a size for a person: `17.2 GB`."""
    return _amount(size, size)


def _amount(size: int, scale: int) -> str:
    return f"{size / _GB:.1f} GB" if scale >= _GB else f"{size / _MB:.1f} MB"


def _duration(seconds: float) -> str:
    if seconds < 2 * _MINUTE_S:
        return f"{seconds:.0f} s"
    return f"{seconds / _MINUTE_S:.0f} min" if seconds < 2 * _HOUR_S else f"{seconds / _HOUR_S:.1f} h"
