"""What goes wrong on demand: which method, how often, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from threading import Lock

from tests.clouds.google.state import RefusedError


class How(StrEnum):
    """The ways in which a call can go wrong."""

    REFUSED = "refused"
    """Nothing is done, and an error is answered."""
    GONE = "gone"
    """Nothing is done, and nothing answered: the connection is closed."""
    LOST = "lost"
    """It is done, and the connection closed without an answer."""
    IGNORED = "ignored"
    """It is answered as done, and not done."""


@dataclass
class Fault:
    """Something that goes wrong with the next `times` calls of a method (a pattern of ids)."""

    method: str
    how: How = How.REFUSED
    refusal: RefusedError | None = None
    times: int = 1_000_000
    seconds: float = 0.0
    """How long the answer takes."""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def strikes(self, method: str) -> bool:
        """Tell whether it is this call's turn."""
        with self._lock:
            if self.times <= 0 or not any(fnmatchcase(method, one) for one in self.method.split("|")):
                return False
            self.times -= 1
            return True


CREATES = (
    "*.services.create|*.secrets.create|*.addVersion|*.buckets.insert|*.objects.insert|*.repositories.create"
    "|*.builds.create"
)
DELETES = "*.services.delete|*.secrets.delete|*.buckets.delete|*.packages.delete"
