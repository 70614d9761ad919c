"""Following a start until the gateway is ready, with its own words as progress.

Waiting is by the session's clock. Nothing but an end that the provider or the gateway tells counts as failure before
the time is over: 303, 503 and silence are a start under way.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from plexctl.contract import Provider
from plexctl.errors import (
    CredentialsError,
    LicenceError,
    NoCapacityError,
    PlexError,
    PreflightError,
    ProviderError,
    UnhealthyError,
)
from plexctl.flows.observe import ENDED, RUNNING, View, asked_provider, look, usage_of, with_gateways_word
from plexctl.flows.session import Session
from plexctl.journal import Record
from plexctl.model import Status
from plexctl.spec import Spec
from plexctl.states import State

_FIRST_POLL_S = 0.1
_LAST_POLL_S = 0.8
"""Polling backs off, and still notices readiness within a second."""
_BACKOFF = 1.3
_PROVIDER_EVERY_S = 5.0
"""How often a provider is asked while its word is that the gateway should be: its API is not the gateway's."""
_SILENCE_S = 60.0
"""How long neither provider nor gateway may answer: then the network is gone, and waiting on would tell nothing."""
_LAST_LINES = 20
_LINES_SHOWN = 5
_BY_CAUSE: dict[str | None, tuple[type[PlexError], str]] = {
    "licence": (LicenceError, "`plexctl check-license` says what stands in the way"),
    "credentials": (CredentialsError, "`plexctl check-license` says what is wrong with the token"),
}
"""Causes that the gateway names and that have an exit code of their own."""
_FINAL = (CredentialsError, LicenceError, NoCapacityError, PreflightError)
"""What a provider says of a start that no waiting mends."""


def follow_start(session: Session, record: Record, limit_s: float) -> View:
    """Wait until the deployment is ready.

    Raises UnhealthyError when it fails, ends, or takes longer; LicenceError or CredentialsError when the model's hub
    refused the weights; NoCapacityError, PreflightError (quota) or CredentialsError as the provider says;
    ProviderError when nobody answers for a minute.
    """
    try:
        return asyncio.run(_follow(session, record, limit_s))
    except TimeoutError:
        raise _too_late(session, record, limit_s) from None


def look_now(session: Session, record: Record) -> View:
    """Look at a deployment without waking it."""
    return asyncio.run(look(session, record))


def still_of_use(provider: Provider, view: View) -> bool:
    """Tell whether something of a deployment runs that is ready or may become so; what has given up is stopped."""
    if view.status.state is State.FAILED:
        provider.stop(view.record.ref)
    return view.status.state in RUNNING or (view.status.state is State.UNKNOWN and view.told in RUNNING)


def end_of(session: Session, spec: Spec) -> float | None:
    """Return when a deployment that is started now ends by itself, in seconds since the epoch."""
    ttl_s = spec.limits.ttl_s
    return None if ttl_s is None else session.now() + ttl_s


async def _follow(session: Session, record: Record, limit_s: float) -> View:
    watch = _Watch(session, record)
    begun, delay = session.monotonic(), _FIRST_POLL_S
    while True:
        view = await watch.look()
        session.reporter.progress(f"{view.status.state}: {view.status.detail}")
        if view.status.state is State.READY:
            return view
        if view.status.state in ENDED:
            raise _ended(session, record, view)
        left_s = begun + limit_s - session.monotonic()
        if left_s <= 0:
            raise TimeoutError
        await session.sleep(min(delay, left_s))
        delay = min(delay * _BACKOFF, _LAST_POLL_S)


@dataclass(slots=True)
class _Watch:
    """Looks at a start: the gateway each time, the provider often enough."""

    session: Session
    record: Record
    status: Status | None = field(default=None, init=False)
    asked_at: float = field(default=0.0, init=False)
    silent_since: float | None = field(default=None, init=False)

    async def look(self) -> View:
        """Return what is true now. Raises what `follow_start` says of providers."""
        now = self.session.monotonic()
        failure = await self._ask_provider() if self._is_due(now) else None
        status = self.status or self._untold()
        view = await with_gateways_word(View(self.record, status, told=status.state))
        if failure is None or view.health is not None:
            self.silent_since = None
        else:
            self._tolerate(failure, now)
        return view

    def _untold(self) -> Status:
        """Return what holds as long as the provider has not answered: the gateway may, where its place is known."""
        endpoint = self.record.endpoint
        state = State.LOADING if endpoint else State.CREATING
        return Status(state, endpoint, "the provider does not answer")

    def _is_due(self, now: float) -> bool:
        told = self.status
        if told is None or self.silent_since is not None or told.state is not State.LOADING or told.endpoint is None:
            return True
        return now - self.asked_at >= _PROVIDER_EVERY_S

    async def _ask_provider(self) -> PlexError | None:
        """Ask, and return why it could not tell."""
        try:
            told = await asyncio.to_thread(asked_provider, self.session, self.record)
        except _FINAL:
            raise
        except PlexError as error:
            return error
        if told.state is State.LOADING and told.endpoint is None:
            # It was journaled when it was made; not every provider tells it again of what is only served.
            told = replace(told, endpoint=self.record.endpoint)
        self.status, self.asked_at = told, self.session.monotonic()
        return None

    def _tolerate(self, failure: PlexError, now: float) -> None:
        if self.silent_since is None:
            self.silent_since = now
        if now - self.silent_since >= _SILENCE_S:
            words = f"neither the provider nor the gateway answered for {_SILENCE_S:g} s: {failure.message}"
            raise ProviderError(words, hint=failure.hint or "check the network") from failure


def _ended(session: Session, record: Record, view: View) -> PlexError:
    """Return the error for a start that has failed; a licence or a token is said as such."""
    error = _unhealthy(session, record, f"{record.ref.name} {view.status.state}: {view.status.detail}")
    kind, hint = _BY_CAUSE.get(view.health.cause if view.health else None, (None, None))
    return error if kind is None else kind(error.message, hint=hint, data=error.data)


def _too_late(session: Session, record: Record, limit_s: float) -> PlexError:
    """Return the error for a start that took too long: where nothing came up at all, nobody had a GPU for it."""
    name, lines = record.ref.name, _last_lines(session, record)
    usage = usage_of(session, record)
    if usage is not None and usage.replicas == 0:
        words = f"nothing of {name} came up within {limit_s:g} s: the provider had no machine for it"
        hint = "try again later, or choose another --gpu or --region"
        return NoCapacityError(words, hint=hint, data={"log": lines})
    for line in lines[-_LINES_SHOWN:]:
        session.reporter.note(f"  log: {line}")
    hint = "give it longer with --timeout; its last lines of log are above, or in `data.log` with --json"
    return UnhealthyError(f"{name} was not ready within {limit_s:g} s", hint=hint, data={"log": lines})


def _unhealthy(session: Session, record: Record, words: str) -> UnhealthyError:
    """Return the error with the end of the log, which may be gone by the time that anybody asks for it."""
    return UnhealthyError(words, data={"log": _last_lines(session, record)})


def _last_lines(session: Session, record: Record) -> list[str]:
    """Return the last lines; none where the provider does not tell them: the failure is what counts."""
    provider = session.provider(record.ref.provider)
    try:
        return [line.text for line in provider.logs(record.ref, follow=False, since=None, tail=_LAST_LINES)]
    except PlexError:
        return []
