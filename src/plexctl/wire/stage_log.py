"""Times the stages of a connection and notes what became of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from plexctl.wire.stages import Stage, WireError


@dataclass(slots=True)
class Mark:
    """What a stage that did not fail has to say of itself."""

    outcome: str = "ok"
    detail: str = ""


class StageLog:
    """The stages so far, in order."""

    def __init__(self) -> None:
        self.stages: list[Stage] = []

    @asynccontextmanager
    async def measure(self, name: str, timeout_s: float) -> AsyncIterator[Mark]:
        """Time the block as stage `name`; a block that takes longer than `timeout_s` ends as `timeout`.

        Raises WireError after noting the failure.
        """
        mark = Mark()
        started = time.perf_counter()
        try:
            async with asyncio.timeout(timeout_s):
                yield mark
        except TimeoutError as error:
            detail = f"no answer within {timeout_s:g} s"
            self._note(name, started, Mark("timeout", detail))
            raise WireError(name, "timeout", f"{name}: {detail}") from error
        except WireError as error:
            self._note(name, started, Mark(error.outcome, _words(error)))
            raise
        self._note(name, started, mark)

    def note_failure(self, error: WireError) -> None:
        """Note a failure that came before its stage could begin."""
        self.stages.append(Stage(error.stage, error.outcome, 0.0, _words(error)))

    def _note(self, name: str, started: float, mark: Mark) -> None:
        self.stages.append(Stage(name, mark.outcome, time.perf_counter() - started, mark.detail))


def _words(error: WireError) -> str:
    return f"{error.message}; {error.hint}" if error.hint else error.message
