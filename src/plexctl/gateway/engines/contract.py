"""What the gateway has to know of an engine: how it is started, and what its log lines say about its progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from plexctl.gateway.settings import EngineSettings


@dataclass(frozen=True, slots=True)
class Command:
    """One process: what to run with which environment."""

    argv: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a starting engine is: `state` downloading, loading or warming, the phase in words, 0 to 1 if known."""

    state: str
    phase: str
    fraction: float | None = None


@dataclass(frozen=True, slots=True)
class Engine:
    """One kind of engine."""

    name: str
    capacity: int
    """Callers at once in one process."""
    command: Callable[[EngineSettings, int], Command]
    """The process for a port, without I/O."""
    progress: Callable[[str], Progress | None]
    """What a log line says, None when nothing."""
