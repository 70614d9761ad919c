"""A connection is opened in stages; each leaves a name, an outcome code, its seconds and words. No I/O."""

from __future__ import annotations

from dataclasses import dataclass

from plexctl.errors import UnhealthyError

_PASSED = frozenset({"ok", "skipped"})


@dataclass(frozen=True, slots=True)
class Stage:
    """What became of one stage: `outcome` is a stable code, `detail` words for people."""

    name: str
    outcome: str
    seconds: float
    detail: str = ""

    @property
    def is_passed(self) -> bool:
        """True when the next stage can be tried."""
        return self.outcome in _PASSED


class WireError(UnhealthyError):
    """A stage failed: `stage` and `outcome` are stable codes, the message is words for people."""

    code = "unreachable"

    def __init__(self, stage: str, outcome: str, detail: str, *, hint: str | None = None) -> None:
        super().__init__(detail, hint=hint, data={"stage": stage, "outcome": outcome})
        self.stage = stage
        self.outcome = outcome
