"""What a gateway says of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from plexctl.flows.tunnels import needs_ssh
from plexctl.model import Endpoint
from plexctl.states import State

if TYPE_CHECKING:
    from plexctl.wire import Trust

Number = TypeVar("Number", int, float)
_ANSWER_LIMIT_S = 3.0

STATE_MAP: dict[str, State] = {
    "starting": State.LOADING,
    "downloading": State.LOADING,
    "loading": State.LOADING,
    "warming": State.LOADING,
    "ready": State.READY,
    "draining": State.DRAINING,
    "failed": State.FAILED,
}
"""The gateway's states as a deployment's; anything else is UNKNOWN."""


@dataclass(frozen=True, slots=True)
class Health:
    """One answer of `/health`. `progress` is 0 to 1 within the phase, None when nobody can know."""

    state: State
    phase: str
    progress: float | None
    engines: int
    busy: int
    reason: str | None
    cause: str | None = None
    """Whose business a failure is, as `plexctl.gateway.health.CAUSES` names it; None when nobody says."""
    bytes_done: int | None = None
    bytes_total: int | None = None
    bytes_per_second: float | None = None
    seconds_left: float | None = None

    def in_words(self) -> str:
        """Say it for a progress line; a download's phase has figures of its own, and its share goes in brackets."""
        if self.progress is None:
            return self.phase
        return (
            f"{self.phase} {self.progress:.0%}" if self.bytes_total is None else f"{self.phase} ({self.progress:.0%})"
        )


def parse_health(body: bytes) -> Health | None:
    """Return what a `/health` body says, or None when it is not a gateway's."""
    try:
        answer = json.loads(body)
        return Health(
            state=STATE_MAP.get(answer["state"], State.UNKNOWN),
            phase=str(answer["phase"]),
            progress=None if answer["progress"] is None else float(answer["progress"]),
            engines=int(answer["engines"]),
            busy=int(answer["busy"]),
            reason=answer.get("reason"),
            cause=answer.get("cause"),
            bytes_done=_figure(answer, "bytes_done", int),
            bytes_total=_figure(answer, "bytes_total", int),
            bytes_per_second=_figure(answer, "bytes_per_second", float),
            seconds_left=_figure(answer, "seconds_left", float),
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def _figure(answer: dict[str, Any], name: str, kind: type[Number]) -> Number | None:
    """Return a figure that older gateways do not give."""
    found = answer.get(name)
    return None if found is None else kind(found)


async def ask(endpoint: Endpoint) -> Health | None:
    """Return the gateway's health, or None when it does not answer as a gateway within 3 s."""
    from plexctl.wire import WireError, get

    try:
        response = await get(f"{endpoint.url}/health", trust=trust_of(endpoint), timeout_s=_ANSWER_LIMIT_S)
    except WireError:
        return None
    return parse_health(response.body)


def trust_of(endpoint: Endpoint) -> Trust:
    """Return whom a connection to the endpoint believes; what only ssh leads to is never dialled itself."""
    from plexctl.wire import SYSTEM, Trust

    if needs_ssh(endpoint):
        raise ValueError(f"{endpoint.url} is on another machine's loopback")
    return Trust.of(fingerprint=endpoint.tls) if endpoint.tls.startswith("sha256:") else SYSTEM
