from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

from plexctl.journal import open_journal

_KILLS = 150
_LONGEST_BIRTH_S = 0.012


def test_a_journal_killed_while_it_is_made_is_made_by_the_next(tmp_path: Path) -> None:
    """SIGKILL at any point of the very first open leaves nothing that the next open does not mend."""
    seed = time.time_ns()
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    for number in range(_KILLS):
        home = tmp_path / str(number)
        _kill_a_birth(home, after_s=chance.random() * _LONGEST_BIRTH_S)
        with open_journal(home, time.time) as journal:
            assert journal.records() == [], f"seed {seed}, kill {number}"


def _kill_a_birth(home: Path, after_s: float) -> None:
    child = os.fork()
    if child == 0:
        try:
            with open_journal(home, time.time):
                signal.pause()
        finally:
            os._exit(1)
    deadline = time.monotonic() + 10
    while not home.exists() and time.monotonic() < deadline:
        pass
    due = time.perf_counter() + after_s
    while time.perf_counter() < due:
        pass
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
