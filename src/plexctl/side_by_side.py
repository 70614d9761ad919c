"""Asking several at once; one that hangs holds up nobody, not even the exit.

The threads are daemons: what has not answered by the deadline is left behind, and ends with the process.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def ask_all(asked: Mapping[str, Callable[[], T]], deadline_s: float) -> dict[str, T | Exception]:
    """Call each in a thread of its own; return, by name and in order, what it gave or raised.

    TimeoutError stands for one that did not answer within `deadline_s`.
    """
    done = ask_until(asked, deadline_s)
    late = TimeoutError(f"no answer within {deadline_s:g} s")
    return {name: done.get(name, late) for name in asked}


def ask_until(
    asked: Mapping[str, Callable[[], T]],
    timeout_s: float,
    reached: threading.Event | None = None,
    connect_s: float | None = None,
) -> dict[str, T | Exception]:
    """Return what each call returned or raised; a call that is not done in time is missing.

    The time is `timeout_s`, but only `connect_s` as long as `reached` is not set.
    """
    answers: SimpleQueue[tuple[str, T | Exception]] = SimpleQueue()
    begun = time.monotonic()
    for name, call in asked.items():
        threading.Thread(target=_answer, args=(name, call, answers), daemon=True).start()
    done: dict[str, T | Exception] = {}
    while len(done) < len(asked):
        has_all_time = reached is None or connect_s is None or reached.is_set()
        limit_s = timeout_s if has_all_time else min(timeout_s, connect_s or timeout_s)
        try:
            name, outcome = answers.get(timeout=max(0.0, begun + limit_s - time.monotonic()))
        except Empty:
            if has_all_time or reached is None or not reached.is_set():
                break
        else:
            done[name] = outcome
    return done


def _answer(name: str, call: Callable[[], T], answers: SimpleQueue[tuple[str, T | Exception]]) -> None:
    try:
        answers.put((name, call()))
    except Exception as error:  # noqa: BLE001 - whoever asked decides what it means
        answers.put((name, error))
