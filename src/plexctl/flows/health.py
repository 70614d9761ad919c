"""What a gateway says of itself."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from plexctl.model import Endpoint
from plexctl.states import State

if TYPE_CHECKING:
    from plexctl.wire import Trust

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

    def in_words(self) -> str:
        """Say it for a progress line."""
        percent = "" if self.progress is None else f" {self.progress:.0%}"
        return f"{self.phase}{percent}"


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
        )
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


async def ask(endpoint: Endpoint) -> Health | None:
    """Return the gateway's health, or None when it does not answer as a gateway within 3 s."""
    from plexctl.wire import WireError, get

    try:
        response = await get(f"{endpoint.url}/health", trust=trust_of(endpoint), timeout_s=_ANSWER_LIMIT_S)
    except WireError:
        return None
    return parse_health(response.body)


def trust_of(endpoint: Endpoint) -> Trust:
    """Return whom a connection to the endpoint believes."""
    from plexctl.wire import SYSTEM, Trust

    return Trust.of(fingerprint=endpoint.tls) if endpoint.tls.startswith("sha256:") else SYSTEM
