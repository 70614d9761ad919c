"""Whose fault a start is that failed: whether another offer would do better, or nothing but the user can mend it."""

from __future__ import annotations

import re
from enum import StrEnum

from plexctl.errors import CredentialsError, LicenceError, NoCapacityError, PlexError, UnhealthyError
from plexctl.flows.observe import View
from plexctl.model import Offer
from plexctl.states import State

_NO_IMAGE = re.compile(
    r"manifest (unknown|for)|pull access denied|authentication required|cannot be pulled|no such image", re.IGNORECASE
)
"""What a registry says of an image that is not there, or is private: on every host."""
_OF_THE_HOST = ("disk", "network", "gpu")
"""Causes of the gateway's own that another machine may not have."""


class Fault(StrEnum):
    """Why another offer may do better. The values stand in the table of attempts."""

    NO_CAPACITY = "no_capacity"
    """Nobody has it any more, or somebody else was quicker."""
    BAD_HOST = "bad_host"
    """The machine cannot run it."""
    SLOW_START = "slow_start"
    """It did not become ready in its time, or nothing went on for too long."""
    LOST = "lost"
    """It was ended at the provider while it started: outbid, or taken away."""


_BLAMED = (Fault.BAD_HOST, Fault.SLOW_START)


class StartError(UnhealthyError):
    """A start that failed. `fault` says why another offer may do better; None: none would."""

    def __init__(
        self, message: str, *, hint: str | None = None, data: object = None, fault: Fault | None = None
    ) -> None:
        super().__init__(message, hint=hint, data=data)
        self.fault = fault


_BY_CAUSE: dict[str | None, tuple[type[PlexError], str]] = {
    "licence": (LicenceError, "`plexctl check-license` says what stands in the way"),
    "credentials": (CredentialsError, "`plexctl check-license` says what is wrong with the token"),
}
"""Causes that the gateway names and that have an exit code of their own."""


def error_of_end(view: View, log: list[str]) -> PlexError:
    """Return the error for a start that has ended by itself; a licence or a token is said as such."""
    words = f"{view.record.ref.name} {view.status.state}: {view.status.detail}"
    cause = view.health.cause if view.health else None
    kind, hint = _BY_CAUSE.get(cause, (None, None))
    if kind is not None:
        return kind(words, hint=hint, data={"log": log})
    return StartError(words, data={"log": log}, fault=_fault_of_end(view, cause))


def fault_of(error: BaseException) -> Fault | None:
    """Return why another offer may do better than the one that failed so; None when none would."""
    if isinstance(error, NoCapacityError):
        return Fault.NO_CAPACITY
    return error.fault if isinstance(error, StartError) else None


def host_of(offer: Offer) -> str | None:
    """Return the id of the machine that an offer is of, where its provider tells one."""
    return offer.detail.get("host")


def blames_host(fault: Fault) -> bool:
    """Tell whether the machine is to be left alone for a while."""
    return fault in _BLAMED


def _fault_of_end(view: View, cause: str | None) -> Fault | None:
    if _NO_IMAGE.search(view.status.detail):
        return None
    if view.told in (State.STOPPED, State.MISSING):
        return Fault.LOST
    if view.told is State.FAILED or cause in _OF_THE_HOST:
        return Fault.BAD_HOST
    return None
