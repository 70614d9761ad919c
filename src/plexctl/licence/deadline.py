"""Runs calls that may hang side by side, and stops waiting for them when their time is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue


def run(
    calls: Mapping[str, Callable[[], object]],
    timeout_s: float,
    reached: threading.Event | None = None,
    connect_s: float | None = None,
) -> dict[str, object]:
    """Return what each call returned or raised; a call that is not done in time is missing.

    The time is `timeout_s`, but only `connect_s` as long as `reached` is not set. Calls that are not done go on in
    threads that do not keep the process alive.
    """
    answers: SimpleQueue[tuple[str, object]] = SimpleQueue()
    begun = time.monotonic()
    for name, call in calls.items():
        threading.Thread(target=_answer, args=(name, call, answers), daemon=True).start()
    done: dict[str, object] = {}
    while len(done) < len(calls):
        is_late_only_then = reached is None or connect_s is None or reached.is_set()
        limit_s = timeout_s if is_late_only_then else min(timeout_s, connect_s or timeout_s)
        try:
            name, outcome = answers.get(timeout=max(0.0, begun + limit_s - time.monotonic()))
        except Empty:
            if is_late_only_then or reached is None or not reached.is_set():
                break
        else:
            done[name] = outcome
    return done


def _answer(name: str, call: Callable[[], object], answers: SimpleQueue[tuple[str, object]]) -> None:
    try:
        answers.put((name, call()))
    except BaseException as error:  # noqa: BLE001 - it is carried to whoever asked
        answers.put((name, error))
