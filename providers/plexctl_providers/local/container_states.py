"""An engine's states of a container as a deployment's. Pure.

Sources: Docker Engine API 1.41 (ContainerState.Status) and Podman 4 and 5 (libpod/define/containerstate.go).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plexctl.model import Endpoint, Status
from plexctl.states import State
from plexctl_providers.local.loglines import ending

STATE_MAP: dict[str, tuple[State, str]] = {
    "created": (State.CREATING, "made and never started: its deploy was cut short; deploy it again, or destroy it"),
    "configured": (State.CREATING, "made and never started: its deploy was cut short; deploy it again, or destroy it"),
    "initialized": (State.CREATING, "about to start"),
    "running": (State.LOADING, "the container is running"),
    "restarting": (State.LOADING, "the container starts again"),
    "paused": (State.UNKNOWN, "the container is paused by somebody: `plexctl stop` or `plexctl start` wakes it"),
    "stopping": (State.DRAINING, "the container is ending"),
    "removing": (State.DRAINING, "the container is being removed"),
    "exited": (State.FAILED, "the container has ended"),
    "stopped": (State.FAILED, "the container has ended"),
    "dead": (State.FAILED, "the engine could not remove the container"),
}
"""What an engine calls it, as a state and words; anything else is UNKNOWN. Of `ENDED` ones, code and log say more."""
ENDED = ("exited", "stopped")
_KILLED = 137
"""128 and SIGKILL."""


def status_of(found: Mapping[str, Any], last: Sequence[str], endpoint: Endpoint | None) -> Status:
    """Return the status of a container that was found, given the last lines that it printed."""
    told = found.get("State") or {}
    name = str(told.get("Status", "")).lower()
    if name in ENDED:
        return _ended(told, last, endpoint)
    state, words = STATE_MAP.get(name, (State.UNKNOWN, f"the engine calls it {name or 'nothing'}"))
    return Status(state, endpoint, words)


def _ended(told: Mapping[str, Any], last: Sequence[str], endpoint: Endpoint | None) -> Status:
    """Tell an orderly end, by the gateway's own last words, from any other."""
    code, why = int(told.get("ExitCode") or 0), ending(last)
    if why is not None and code == 0:
        return Status(State.STOPPED, endpoint, f"ended: {why}")
    if told.get("OOMKilled"):
        return Status(State.FAILED, endpoint, "killed: it took more memory than the container may")
    how = "killed" if code == _KILLED else f"ended with exit code {code}"
    return Status(State.FAILED, endpoint, f"{how}; its last words: {last[-1] if last else 'none'}")
