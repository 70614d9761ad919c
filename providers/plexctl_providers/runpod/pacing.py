"""When RunPod may be asked again: by the quota that its answers tell, and never one pod faster than is of use.

One pace for each address and key in this process, since each adapter is a fresh one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from plexctl.errors import ProviderError
from plexctl_providers._common.clock import Clock

POLL_S = 1.5
"""Between two looks at pods that come or go: 40 a minute, where the description's example grants 60."""
_LONGEST_S = 90.0
"""Longer than the minute's window; beyond it the quota of an hour or a day is used up, which nobody waits for."""
_DEFAULT_S = 5.0
"""To wait after a 429 that does not say how long."""
_SCARCE = 10
"""Requests left at which those that remain are spread over what is left of the window."""
_WINDOW = re.compile(r'"(?P<name>\w+)";\s*r=(?P<left>\d{1,9});\s*t=(?P<reset>\d{1,9})\b')


@dataclass(slots=True)
class Pace:
    """What is known of a quota, and when a pod was looked at."""

    not_before: float = 0.0
    looked: dict[str, float] = field(default_factory=dict)

    def wait(self, clock: Clock) -> None:
        """Wait until a request may be sent. Raises ProviderError when that takes longer than a minute or so."""
        wait_s = self.not_before - clock.now()
        if wait_s > _LONGEST_S:
            words = f"RunPod's quota of requests is used up for another {wait_s / 60:.0f} minutes"
            raise ProviderError(words, hint="try again then; `plexctl destroy` is needed all the same, if it bills")
        if wait_s > 0:
            clock.sleep(wait_s)

    def wait_to_look(self, what: str, clock: Clock) -> None:
        """Wait until something may be looked at again."""
        before = self.looked.get(what)
        if before is not None and (wait_s := before + POLL_S - clock.now()) > 0:
            clock.sleep(wait_s)
        self.looked[what] = clock.now()

    def learn(self, headers: Mapping[str, str], clock: Clock) -> None:
        """Take note of the quota that an answer tells."""
        for window in _WINDOW.finditer(headers.get("RateLimit", "")):
            left, reset_s = int(window["left"]), float(window["reset"])
            if left == 0:
                self.not_before = max(self.not_before, clock.now() + reset_s)
            elif window["name"] == "minute" and left < _SCARCE:
                self.not_before = max(self.not_before, clock.now() + reset_s / (left + 1))

    def refused(self, headers: Mapping[str, str], clock: Clock) -> None:
        """Take note of a 429, whose Retry-After counts; without one, or with one that is no number, a few seconds."""
        told = headers.get("Retry-After", "").strip()
        self.learn(headers, clock)
        wait_s = float(told) if told.isascii() and told.isdigit() else _DEFAULT_S
        self.not_before = max(self.not_before, clock.now() + wait_s)


_PACES: dict[tuple[str, int], Pace] = {}


def pace_of(base: str, key: str) -> Pace:
    """Return the pace of an address and a key, of which only the hash is kept."""
    return _PACES.setdefault((base, hash(key)), Pace())
