"""What `/health` says: one state for all engines. No secrets, no prompts, no addresses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

STATES = ("starting", "downloading", "loading", "warming", "ready", "draining", "failed")
CAUSES = ("licence", "credentials", "disk", "network", "gpu", "engine")


@dataclass(frozen=True, slots=True)
class Download:
    """How far a download is, in bytes and seconds; None where nobody knows."""

    bytes_done: int | None = None
    bytes_total: int | None = None
    bytes_per_second: int | None = None
    seconds_left: float | None = None


@dataclass(slots=True)
class EngineHealth:
    """One engine: its state, the phase in words, how far (0 to 1), and why it failed."""

    state: str = "starting"
    phase: str = "process"
    progress: float | None = None
    reason: str | None = None
    cause: str | None = None
    """Whose business a failure is: one of CAUSES."""
    download: Download = Download()


def overall(engines: Sequence[EngineHealth], *, is_draining: bool) -> EngineHealth:
    """Return the health of the whole: ready when any engine is, failed when all are, else the furthest one."""
    if is_draining:
        return EngineHealth("draining", "live conversations may finish")
    living = [engine for engine in engines if engine.state != "failed"]
    if not living:
        reasons = dict.fromkeys(engine.reason or "" for engine in engines)
        causes = {engine.cause for engine in engines}
        return EngineHealth("failed", "given up", None, "; ".join(reasons), causes.pop() if len(causes) == 1 else None)
    return max(living, key=lambda engine: (STATES.index(engine.state), engine.progress or 0.0))


def document(
    health: EngineHealth, *, engines: int, busy: int, capacity: int, version: str, deployment: str
) -> dict[str, Any]:
    """Return the JSON document of `/health`."""
    return {
        "state": health.state,
        "phase": health.phase,
        "progress": health.progress,
        "engines": engines,
        "busy": busy,
        "capacity": capacity,
        "version": version,
        "deployment": deployment,
        "reason": health.reason,
        "cause": health.cause,
        **asdict(health.download),
    }
