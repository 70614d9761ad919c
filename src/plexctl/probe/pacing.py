"""Sends a voice at its own pace: an absolute schedule, so that lateness never adds up, and one timer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TimedMessage:
    """One message and the seconds it sounds: 0 for headers."""

    data: bytes
    seconds: float


class Pacer:
    """Sends each message when the ones before it have sounded; notes how late it was itself."""

    def __init__(self, messages: Sequence[TimedMessage], send: Callable[[bytes], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._messages = messages
        self._send = send
        self._next = 0
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.started_at = 0.0
        """Loop time of the first message that sounds."""
        self.sent_s = 0.0
        """Seconds of voice sent so far."""
        self.errors_s: list[float] = []
        """How late each message that sounds was sent."""

    @property
    def is_done(self) -> bool:
        """True when everything has been sent."""
        return self._next >= len(self._messages)

    def start(self) -> None:
        """Send the headers and the first voice now, the rest by the clock."""
        self.started_at = self._due = self._loop.time()
        self._tick()

    def stop(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        while not self.is_done:
            now = self._loop.time()
            if now < self._due:
                self._timer = self._loop.call_at(self._due, self._tick)
                return
            message = self._messages[self._next]
            if message.seconds > 0:
                self.errors_s.append(now - self._due)
            self._send(message.data)
            self._next += 1
            self._due += message.seconds
            self.sent_s += message.seconds
