"""Waits until a licence is granted: asks again and again, less and less often."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from plexctl.licence.report import Report
from plexctl.licence.states import AWAITED

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Waiting:
    """How long, and by which clock."""

    limit_s: float
    check_s: float
    tell: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def wait(ask: Callable[[float], Report], waiting: Waiting) -> Report:
    """Return the first report that is granted or beyond waiting, or the last one when the time is over.

    A network or Hub that fails in between is waited out, too. `ask` is given how long it may take.
    """
    ends_at = waiting.clock() + waiting.limit_s
    pause_s = FIRST_PAUSE_S
    while True:
        report = ask(min(waiting.check_s, max(0.1, ends_at - waiting.clock())))
        if report.state not in AWAITED:
            return report
        left_s = ends_at - waiting.clock()
        if left_s <= 0:
            return replace(report, message=f"{report.message}; waited {waiting.limit_s:g} s")
        next_s = min(max(pause_s, report.retry_after_s or 0.0), left_s)
        waiting.tell(f"{report.message}; asking again")
        waiting.sleep(next_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
