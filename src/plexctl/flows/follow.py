"""Following a start until the gateway is ready, with its own words as progress."""

from __future__ import annotations

import asyncio

from plexctl.contract import Provider
from plexctl.errors import CredentialsError, LicenceError, PlexError, UnhealthyError
from plexctl.flows.observe import ENDED, RUNNING, View, look
from plexctl.flows.session import Session
from plexctl.journal import Record
from plexctl.spec import Spec
from plexctl.states import State

_FIRST_POLL_S = 0.1
_LAST_POLL_S = 0.8
"""Polling backs off, and still notices readiness within a second."""
_BACKOFF = 1.3
_LAST_LINES = 20
_LINES_SHOWN = 5
_BY_CAUSE: dict[str | None, tuple[type[PlexError], str]] = {
    "licence": (LicenceError, "`plexctl check-license` says what stands in the way"),
    "credentials": (CredentialsError, "`plexctl check-license` says what is wrong with the token"),
}
"""Causes that the gateway names and that have an exit code of their own."""


def follow_start(session: Session, record: Record, limit_s: float) -> View:
    """Wait until the deployment is ready.

    Raises UnhealthyError when it fails, ends, or takes longer; LicenceError or CredentialsError when the model's hub
    refused the weights.
    """
    try:
        return asyncio.run(_follow(session, record, limit_s))
    except TimeoutError:
        error = _unhealthy(session, record, f"{record.ref.name} was not ready within {limit_s:g} s")
        error.hint = "give it longer with --timeout; its last lines of log are above, or in `data.log` with --json"
        for line in _last_lines(session, record)[-_LINES_SHOWN:]:
            session.reporter.note(f"  log: {line}")
        raise error from None


def still_of_use(session: Session, provider: Provider, record: Record) -> bool:
    """Tell whether something of a deployment runs that is ready or may become so; what has given up is stopped."""
    state = asyncio.run(look(session, record)).status.state
    if state is State.FAILED:
        provider.stop(record.ref)
    return state in RUNNING


def end_of(session: Session, spec: Spec) -> float | None:
    """Return when a deployment that is started now ends by itself, in seconds since the epoch."""
    ttl_s = spec.limits.ttl_s
    return None if ttl_s is None else session.now() + ttl_s


async def _follow(session: Session, record: Record, limit_s: float) -> View:
    delay = _FIRST_POLL_S
    async with asyncio.timeout(limit_s):
        while True:
            view = await look(session, record)
            session.reporter.progress(f"{view.status.state}: {view.status.detail}")
            if view.status.state is State.READY:
                return view
            if view.status.state in ENDED:
                raise _ended(session, record, view)
            await asyncio.sleep(delay)
            delay = min(delay * _BACKOFF, _LAST_POLL_S)


def _ended(session: Session, record: Record, view: View) -> PlexError:
    """Return the error for a start that has failed; a licence or a token is said as such."""
    error = _unhealthy(session, record, f"{record.ref.name} {view.status.state}: {view.status.detail}")
    kind, hint = _BY_CAUSE.get(view.health.cause if view.health else None, (None, None))
    return error if kind is None else kind(error.message, hint=hint, data=error.data)


def _unhealthy(session: Session, record: Record, words: str) -> UnhealthyError:
    """Return the error with the end of the log, which may be gone by the time that anybody asks for it."""
    return UnhealthyError(words, data={"log": _last_lines(session, record)})


def _last_lines(session: Session, record: Record) -> list[str]:
    lines = session.provider(record.ref.provider).logs(record.ref, follow=False, since=None, tail=_LAST_LINES)
    return [line.text for line in lines]
