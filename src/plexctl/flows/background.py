"""Waiting for what blocks without being held by it: a thread is left behind when nobody waits any more."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Answer = TypeVar("Answer")


def in_background(ask: Callable[[], Answer]) -> asyncio.Future[Answer | BaseException]:
    """Call `ask` in a daemon thread; gives what it returns, or what it raises as a value."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Answer | BaseException] = loop.create_future()

    def work() -> None:
        try:
            told: Answer | BaseException = ask()
        except BaseException as error:  # noqa: BLE001 - raised again where it is waited for
            told = error
        with suppress(RuntimeError):  # The loop has ended: nobody waits any more.
            loop.call_soon_threadsafe(_settle, answer, told)

    threading.Thread(target=work, name="plexctl-asking", daemon=True).start()
    return answer


def _settle(answer: asyncio.Future[Answer | BaseException], told: Answer | BaseException) -> None:
    if not answer.done():
        answer.set_result(told)
