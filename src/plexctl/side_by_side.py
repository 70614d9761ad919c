"""Asking several at once, each with the same deadline; one that hangs holds up nobody, not even the exit.

The threads are daemons: what has not answered by the deadline is left behind, and ends with the process.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from typing import TypeVar

T = TypeVar("T")


def ask_all(asked: Mapping[str, Callable[[], T]], deadline_s: float) -> dict[str, T | Exception]:
    """Call each in a thread of its own; return, by name and in order, what it gave or raised.

    TimeoutError stands for one that did not answer within `deadline_s`.
    """
    answers: queue.SimpleQueue[tuple[str, T | Exception]] = queue.SimpleQueue()
    for name, call in asked.items():
        threading.Thread(target=_answer, args=(name, call, answers), daemon=True).start()
    end = time.monotonic() + deadline_s
    found: dict[str, T | Exception] = {}
    while len(found) < len(asked):
        try:
            name, answer = answers.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        found[name] = answer
    late = TimeoutError(f"no answer within {deadline_s:g} s")
    return {name: found.get(name, late) for name in asked}


def _answer(name: str, call: Callable[[], T], answers: queue.SimpleQueue[tuple[str, T | Exception]]) -> None:
    try:
        answers.put((name, call()))
    except Exception as error:  # noqa: BLE001 - whoever asked decides what it means
        answers.put((name, error))
