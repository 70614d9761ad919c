"""What can go wrong at the loopback RunPod, each on demand; and at random, from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

DROPPED = 0
"""In place of a status: the connection is cut."""
FULL = "There are no longer any instances available with the requested specifications. Please refresh and try again."
NO_GPU = "There are not enough free GPUs on the host machine to start this pod."


@dataclass
class Fault:
    """Strikes an operation (empty: each) so many times; `after` lets it take effect before its answer is this one."""

    operation: str
    status: int
    detail: str = ""
    after: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    plain: bool = False
    """Answered in plain text, as a proxy before the API does."""
    times: int | None = 1

    def strikes(self, operation: str) -> bool:
        """Tell whether it strikes this time; counts down."""
        if self.times == 0 or self.operation not in ("", operation):
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Chaos:
    """Faults at random: each operation may be dropped or fail, before or after it took effect."""

    def __init__(self, seed: int, share: float) -> None:
        self._random = Random(seed)  # noqa: S311 - the same runs each time
        self._share = share

    def draw(self, operation: str) -> Fault | None:
        """Return what goes wrong with this operation; nothing for most."""
        if self._random.random() >= self._share:
            return None
        status = self._random.choice((DROPPED, 500, 502, 504, 429))
        after = self._random.random() < 0.5 and status != 429
        headers = {"Retry-After": "2"} if status == 429 and self._random.random() < 0.5 else {}
        return Fault(operation, status, after=after, headers=headers, plain=self._random.random() < 0.5)
