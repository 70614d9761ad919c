"""Following a start until the gateway is ready, with its own words as progress.

Waiting is by the session's clock. Nothing but an end that the provider or the gateway tells counts as failure before
the time is over: 303, 503 and silence are a start under way.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from plexctl.contract import Provider
from plexctl.errors import (
    CredentialsError,
    LicenceError,
    NoCapacityError,
    PlexError,
    PreflightError,
    ProviderError,
)
from plexctl.flows.background import in_background
from plexctl.flows.faults import Fault, StartError, error_of_end
from plexctl.flows.observe import ENDED, RUNNING, View, asked_provider, look, usage_of, with_gateways_word
from plexctl.flows.session import Session
from plexctl.journal import Entry, Record
from plexctl.model import Endpoint, Status
from plexctl.spec import Spec
from plexctl.states import State

_FIRST_POLL_S = 0.1
_LAST_POLL_S = 0.8
"""Polling backs off, and still notices readiness within a second."""
_BACKOFF = 1.3
_PROVIDER_EVERY_S = 5.0
"""How often a provider is asked while its word is that the gateway should be: its API is not the gateway's."""
_HEARD_S = 0.5
"""How long a provider's answer is waited for while the gateway can be asked."""
_SILENCE_S = 60.0
"""How long neither provider nor gateway may answer: then the network is gone, and waiting on would tell nothing."""
_LAST_LINES = 20
_LINES_SHOWN = 5
_FINAL = (CredentialsError, LicenceError, NoCapacityError, PreflightError)
"""What a provider says of a start that no waiting mends."""


def _unheard(endpoint: Endpoint) -> None:
    """Tell nobody where callers go."""
    del endpoint


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a start may take in all, and how long nothing at all may go on, in seconds; None: as long."""

    limit_s: float
    standstill_s: float | None = None


def follow_start(
    session: Session,
    record: Record,
    patience: Patience | float,
    reached: Callable[[Endpoint], None] = _unheard,
) -> View:
    """Wait until the deployment is ready. `reached` is told where callers go when the provider tells it late.

    Raises StartError when it fails, ends, stands still, or takes longer; LicenceError or CredentialsError when the
    model's hub refused the weights; NoCapacityError, PreflightError (quota) or CredentialsError as the provider says;
    ProviderError when nobody answers for a minute.
    """
    patience = patience if isinstance(patience, Patience) else Patience(patience)
    try:
        with session.tunnels:
            return asyncio.run(_follow(session, record, patience, reached))
    except TimeoutError as late:
        raise _too_late(session, record, patience, str(late)) from None


def look_now(session: Session, record: Record) -> View:
    """Look at a deployment without waking it."""
    with session.tunnels:
        return asyncio.run(look(session, record))


def still_of_use(provider: Provider, view: View) -> bool:
    """Tell whether something of a deployment runs that is ready or may become so; what has given up is stopped."""
    if view.status.state is State.FAILED:
        provider.stop(view.record.ref)
    return view.status.state in RUNNING or (view.status.state is State.UNKNOWN and view.told in RUNNING)


def note_start(session: Session, entry: Entry, spec: Spec) -> None:
    """Record when a deployment that is started now ends by itself, and that a certificate made at a start is void."""
    ttl_s = spec.limits.ttl_s
    entry.expires(None if ttl_s is None else session.now() + ttl_s)
    endpoint = entry.record.endpoint
    if endpoint is not None and endpoint.tls.startswith("sha256:"):
        entry.unreached()


async def _follow(session: Session, record: Record, patience: Patience, reached: Callable[[Endpoint], None]) -> View:
    watch = _Watch(session, record, reached)
    begun, delay = session.monotonic(), _FIRST_POLL_S
    moved_at, seen = begun, None
    while True:
        view = await watch.look()
        session.reporter.progress(f"{view.status.state}: {view.status.detail}")
        if view.status.state is State.READY:
            return view
        if view.status.state in ENDED:
            raise error_of_end(view, _last_lines(session, record))
        now, sign = session.monotonic(), (watch.told, view.health)
        if sign != seen:
            moved_at, seen = now, sign
        if patience.standstill_s is not None and now - moved_at >= patience.standstill_s:
            raise TimeoutError(f"stood still for {patience.standstill_s:g} s")
        left_s = begun + patience.limit_s - now
        if left_s <= 0:
            raise TimeoutError(f"was not ready within {round(patience.limit_s, 1):g} s")
        await session.sleep(min(delay, left_s))
        delay = min(delay * _BACKOFF, _LAST_POLL_S)


@dataclass(slots=True)
class _Watch:
    """Looks at a start: the gateway each time, the provider often enough, and never the one instead of the other."""

    session: Session
    record: Record
    reached: Callable[[Endpoint], None]
    told: Status | None = field(default=None, init=False)
    """The provider's last word."""
    asked_at: float = field(default=0.0, init=False)
    silent_since: float | None = field(default=None, init=False)
    question: asyncio.Future[Status | BaseException] | None = field(default=None, init=False)
    """What the provider is being asked."""

    async def look(self) -> View:
        """Return what is true now. Raises what `follow_start` says of providers."""
        now = self.session.monotonic()
        failure = await self._ask_provider(now)
        status = self._known()
        view = await with_gateways_word(self.session, View(self.record, status, told=status.state))
        if view.health is not None:
            self.silent_since = None
        elif failure is not None:
            self._tolerate(failure, now)
        return view

    def _known(self) -> Status:
        """Return what holds, given what the provider told last, and where it was journaled that the gateway is."""
        endpoint = self.record.endpoint
        if self.told is None:
            state = State.LOADING if endpoint else State.CREATING
            return Status(state, endpoint, "the provider does not answer")
        if self.told.state is State.LOADING and self.told.endpoint is None:
            # It was journaled when it was made; not every provider tells it again of what is only served.
            return replace(self.told, endpoint=endpoint)
        return self.told

    def _is_due(self, now: float) -> bool:
        known = self._known()
        if self.told is None or self.silent_since is not None or known.state is not State.LOADING:
            return True
        return known.endpoint is None or now - self.asked_at >= _PROVIDER_EVERY_S

    async def _ask_provider(self, now: float) -> PlexError | None:
        """Ask when it is time, and return why it could not tell.

        A provider that takes long is heard later: a gateway that is ready meanwhile is not overlooked.
        """
        if self.question is None and self._is_due(now):
            self.question = in_background(lambda: asked_provider(self.session, self.record))
        if self.question is None:
            return None
        can_wait = self.told is not None and self._known().endpoint is not None
        await asyncio.wait([self.question], timeout=_HEARD_S if can_wait else None)
        if not self.question.done():
            return None
        told, self.question = self.question.result(), None
        if isinstance(told, PlexError) and not isinstance(told, _FINAL):
            return told
        if isinstance(told, BaseException):
            raise told
        if told.endpoint is not None and told.endpoint != self.record.endpoint:
            self.reached(told.endpoint)
            self.record = replace(self.record, endpoint=told.endpoint)
        self.told, self.asked_at, self.silent_since = told, self.session.monotonic(), None
        return None

    def _tolerate(self, failure: PlexError, now: float) -> None:
        if self.silent_since is None:
            self.silent_since = now
        if now - self.silent_since >= _SILENCE_S:
            words = f"neither the provider nor the gateway answered for {_SILENCE_S:g} s: {failure.message}"
            raise ProviderError(words, hint=failure.hint or "check the network") from failure


def _too_late(session: Session, record: Record, patience: Patience, late: str) -> PlexError:
    """Return the error for a start that took too long: where nothing came up at all, nobody had a GPU for it."""
    name, lines = record.ref.name, _last_lines(session, record)
    usage = usage_of(session, record)
    if usage is not None and usage.replicas == 0:
        within = f"within {round(patience.limit_s, 1):g} s"
        words = f"nothing of {name} came up {within}: the provider had no machine for it"
        hint = "try again later, or choose another --gpu or --region"
        return NoCapacityError(words, hint=hint, data={"log": lines})
    for line in lines[-_LINES_SHOWN:]:
        session.reporter.note(f"  log: {line}")
    hint = "give it longer with --timeout; its last lines of log are above, or in `data.log` with --json"
    return StartError(f"{name} {late}", hint=hint, data={"log": lines}, fault=Fault.SLOW_START)


def _last_lines(session: Session, record: Record) -> list[str]:
    """Return the last lines; none where the provider does not tell them: the failure is what counts."""
    provider = session.provider(record.ref.provider)
    try:
        return [line.text for line in provider.logs(record.ref, follow=False, since=None, tail=_LAST_LINES)]
    except PlexError:
        return []
