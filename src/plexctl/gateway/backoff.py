"""When a dead engine is started again, and when it is given up. Pure: fed with the moments of deaths."""

from __future__ import annotations

_FIRST_S = 0.5
_LONGEST_S = 30.0
_HEALTHY_S = 60.0
_MAX_NEVER_READY = 3
_MAX_DEATHS = 5
_WINDOW_S = 600.0


class Backoff:
    """The deaths of one engine."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._never_ready = 0
        self._deaths: list[float] = []

    def died(self, now: float, ready_for_s: float | None) -> float | None:
        """Return the seconds to wait before the next start; None gives the engine up.

        `ready_for_s` is how long it had been ready, None when it never was.
        """
        if ready_for_s is not None and ready_for_s >= _HEALTHY_S:
            self._in_a_row = 0
        self._in_a_row += 1
        self._never_ready = self._never_ready + 1 if ready_for_s is None else 0
        self._deaths = [moment for moment in self._deaths if now - moment < _WINDOW_S] + [now]
        if self._never_ready >= _MAX_NEVER_READY or len(self._deaths) >= _MAX_DEATHS:
            return None
        return float(min(_FIRST_S * 2 ** (self._in_a_row - 1), _LONGEST_S))
