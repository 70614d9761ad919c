"""How what exists and what is recorded can differ, and what each difference is called. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from plexctl.catalog.billing import billing_of
from plexctl.flows.observe import iso
from plexctl.journal import Record, Wanted
from plexctl.model import CREATED_AT, EXPIRES_AT, Ref, Status
from plexctl.states import State

YOUNG_S = 3600.0
"""Below this age, what no record knows may be what another machine is deploying."""


_AT_REST = (State.STOPPED, State.FAILED)
"""Nothing of it runs, and something of it is there."""


class Kind(StrEnum):
    """What a difference is called."""

    ORPHAN = "orphan"
    """There, and unknown here, or recorded as gone, or as a create or a destroy that was never finished."""
    YOUNG = "young"
    """There and unknown here, and perhaps being made by another machine."""
    GHOST = "ghost"
    """Recorded here, gone there."""
    EXPIRED = "expired"
    """Past the moment at which it should have ended by itself, and still there."""
    STOPPED = "stopped"
    """Stopped, and what is left of it bills."""
    KEPT = "kept"
    """What a destroy kept on purpose."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One deployment: as a provider lists it, as it is recorded, or both, and what is true of it."""

    ref: Ref
    status: Status
    record: Record | None = None
    """The live record of this deployment at this provider."""
    was_gone: bool = False
    """It is recorded here as read back as gone."""
    is_elsewhere: bool = False
    """It is recorded here at another provider."""
    changes_in_place: bool = False


@dataclass(frozen=True, slots=True)
class Difference:
    """One deployment that is not as recorded, what that is called, and why."""

    kind: Kind
    seen: Seen
    why: str

    @property
    def is_wrong(self) -> bool:
        """Whether it is more than what the user asked for: kept on purpose, or stopped on purpose."""
        record = self.seen.record
        is_wanted = self.kind is Kind.STOPPED and record is not None and record.wanted is Wanted.STOPPED
        return self.kind is not Kind.KEPT and not is_wanted

    @property
    def price(self) -> float | None:
        """Return USD per hour by the offer that is recorded; None where nobody knows."""
        if self.seen.status.state is State.MISSING:
            return 0.0
        record = self.seen.record
        return None if record is None or self.seen.status.state in _AT_REST else record.offer.price_usd_per_hour

    def to_dict(self) -> dict[str, object]:
        """Return it as the JSON document of `gc` shows it."""
        ref, status, made_at, ends_at = self.seen.ref, self.seen.status, created_at(self.seen), expires_at(self.seen)
        return {
            "name": ref.name,
            "id": ref.id,
            "provider": ref.provider,
            "state": status.state,
            "detail": status.detail,
            "why": self.why,
            "price_per_hour": self.price,
            "still_bills": billing_of(ref.provider).stopped if status.state in _AT_REST else None,
            "created_at": None if made_at is None else iso(made_at),
            "expires_at": None if ends_at is None else iso(ends_at),
            "resources": [{"kind": one.kind, "name": one.name, "id": one.id} for one in ref.resources],
        }


def judge(seen: Seen, now: float, *, takes_young: bool = False) -> Difference | None:
    """Return what a deployment's difference is called; None for one that is as recorded. `now`: seconds, epoch.

    With `takes_young`, what is unknown here is an orphan whatever its age.
    """
    found = _expired(seen, now) or (_recorded(seen) if seen.record else _unrecorded(seen, now, takes_young=takes_young))
    return None if found is None else Difference(found[0], seen, found[1])


def created_at(seen: Seen) -> float | None:
    """Return when it was made, in seconds since the epoch: as recorded, else the youngest part that is told of."""
    if seen.record is not None:
        return seen.record.created_at
    return max(_moments(seen.ref, CREATED_AT), default=None)


def expires_at(seen: Seen) -> float | None:
    """Return when it should end by itself, in seconds since the epoch: as recorded, else as the provider tells."""
    if seen.record is not None:
        return seen.record.expires_at
    return max(_moments(seen.ref, EXPIRES_AT), default=None)


def _expired(seen: Seen, now: float) -> tuple[Kind, str] | None:
    ends_at = expires_at(seen)
    if ends_at is None or now < ends_at or seen.status.state is State.MISSING or _is_over(seen):
        return None
    return Kind.EXPIRED, f"should have ended at {iso(ends_at)}"


def _recorded(seen: Seen) -> tuple[Kind, str] | None:
    record, state = seen.record, seen.status.state
    if record is None:
        return None
    if state is State.MISSING:
        return Kind.GHOST, "recorded here, and gone at the provider"
    if record.wanted is Wanted.GONE:
        return Kind.ORPHAN, "its destroy was not finished"
    if record.wanted is Wanted.RUNNING and _is_unfinished(seen, record):
        return Kind.ORPHAN, "its create was not finished"
    if state in _AT_REST and not _is_over(seen):
        return Kind.STOPPED, "stopped" if record.wanted is Wanted.STOPPED else "it was to run, and ended by itself"
    return None


def _unrecorded(seen: Seen, now: float, *, takes_young: bool) -> tuple[Kind, str]:
    if seen.was_gone and seen.status.state is State.MISSING:
        return Kind.KEPT, "a destroy kept it for the next deploy; `plexctl destroy --all` removes it"
    if seen.was_gone:
        return Kind.ORPHAN, "recorded here as gone, and there"
    if seen.is_elsewhere:
        return Kind.ORPHAN, "recorded here at another provider, and there"
    made_at = created_at(seen)
    if made_at is not None and now - made_at >= YOUNG_S:
        return Kind.ORPHAN, "not recorded here"
    age = "of unknown age" if made_at is None else f"{max(0.0, now - made_at) / 60:.0f} minutes old"
    if takes_young:
        return Kind.ORPHAN, f"not recorded here; {age}"
    return Kind.YOUNG, f"not recorded here; {age}: another machine may be deploying it"


def _is_unfinished(seen: Seen, record: Record) -> bool:
    """Tell whether its create was cut short. Where changes are made in place, what runs is older than one cut short."""
    is_open = any(one.id is None for one in record.ref.resources)
    return record.ready_at is None or (is_open and not seen.changes_in_place)


def _is_over(seen: Seen) -> bool:
    """Tell whether it has ended and bills nothing for what is left."""
    return seen.status.state in _AT_REST and billing_of(seen.ref.provider).is_free_stopped


def _moments(ref: Ref, key: str) -> list[float]:
    """Return the moments that the adapter told of its parts; what is none is not heeded."""
    found = []
    for one in ref.resources:
        try:
            found.append(float(one.detail[key]))
        except (KeyError, ValueError):
            continue
    return found
