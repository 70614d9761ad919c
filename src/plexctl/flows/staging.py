"""Making a plan real where one call cannot do it all: a machine must boot before anything can be put on it.

Waiting is by the session's clock. Whatever the adapter raises is final: what is under way it tells as CREATING.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from plexctl.contract import Provider, Staged
from plexctl.flows.faults import Fault, StartError
from plexctl.flows.follow import Patience
from plexctl.flows.session import Session
from plexctl.journal import Entry
from plexctl.model import Deployment, Plan
from plexctl.states import State

_FIRST_LOOK_S = 0.1
_LAST_LOOK_S = 2.0
_BACKOFF = 1.3


def make(
    session: Session, provider: Provider, plan: Plan, entry: Entry, patience: Patience
) -> tuple[Deployment, Patience]:
    """Apply a plan, proceed until there is nothing more to do, and return the patience that is left for the start.

    What was begun by a run that was killed is gone on with: `apply` adopts it. Raises what `apply` and `proceed`
    raise, and StartError when it takes too long or stands still.
    """
    begun = session.monotonic()
    deployment = provider.apply(plan, entry)
    session.reporter.progress(f"{deployment.ref.label} on {provider.name}")
    if not isinstance(provider, Staged):
        return deployment, patience
    _proceed(session, provider, plan, entry, patience)
    # What proceeding journaled, the endpoint above all, belongs to it.
    deployment = replace(deployment, ref=entry.ref, endpoint=entry.record.endpoint)
    left_s = max(0.0, patience.limit_s - (session.monotonic() - begun))
    return deployment, replace(patience, limit_s=left_s)


def _proceed(session: Session, provider: Staged, plan: Plan, entry: Entry, patience: Patience) -> None:
    """Proceed until it is no longer being created."""
    begun = moved_at = session.monotonic()
    delay, seen = _FIRST_LOOK_S, ""
    while (status := provider.proceed(plan, entry)).state is State.CREATING:
        session.reporter.progress(f"{status.state}: {status.detail}")
        now = session.monotonic()
        if status.detail != seen:
            moved_at, seen = now, status.detail
        left_s = begun + patience.limit_s - now
        if left_s <= 0:
            raise _too_late(entry, f"was not made within {round(patience.limit_s, 1):g} s", seen)
        if patience.standstill_s is not None and now - moved_at >= patience.standstill_s:
            raise _too_late(entry, f"stood still for {patience.standstill_s:g} s", seen)
        asyncio.run(_sleep(session, min(delay, left_s)))
        delay = min(delay * _BACKOFF, _LAST_LOOK_S)
    if status.endpoint is not None and status.endpoint != entry.record.endpoint:
        entry.reached(status.endpoint)


async def _sleep(session: Session, seconds: float) -> None:
    await session.sleep(seconds)


def _too_late(entry: Entry, what: str, detail: str) -> StartError:
    words = f"{entry.ref.name} {what}{f': {detail}' if detail else ''}"
    return StartError(words, hint="give it longer with --timeout", fault=Fault.SLOW_START)
