"""What is true of deployments now: the provider's word, refined by the gateway's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from plexctl.errors import PlexError, UnhealthyError
from plexctl.flows.health import Health
from plexctl.flows.session import Session
from plexctl.journal import Record, Wanted
from plexctl.model import Status
from plexctl.states import State

RUNNING = (State.CREATING, State.LOADING, State.READY, State.IDLE, State.DRAINING)
"""States in which something of a deployment runs, or will for the next caller."""
ENDED = (State.FAILED, State.STOPPED, State.MISSING)
"""States in which nothing of it answers any more."""
_ANSWERING = (State.LOADING, State.READY, State.UNKNOWN)
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class View:
    """One deployment as it is now."""

    record: Record
    status: Status
    health: Health | None = None

    def to_dict(self, now: float) -> dict[str, object]:
        """Return it as the JSON documents of `list` and `status` show it."""
        record, endpoint = self.record, self.status.endpoint or self.record.endpoint
        price = record.offer.price_usd_per_hour
        return {
            "name": record.ref.name,
            "id": record.ref.id,
            "provider": record.ref.provider,
            "state": self.status.state,
            "detail": self.status.detail,
            "engine": record.spec.engine,
            "endpoint": None
            if endpoint is None
            else {"url": endpoint.url, "wss_url": endpoint.wss_url, "tls": endpoint.tls},
            "engines": self.health.engines if self.health else None,
            "busy": self.health.busy if self.health else None,
            "price": {"usd_per_hour": price, "source": record.offer.source, "as_of": record.offer.as_of},
            "cost_estimate": None if price is None else round(price * (now - record.created_at) / _HOUR_S, 4),
            "created_at": iso(record.created_at),
            "expires_at": None if record.expires_at is None else iso(record.expires_at),
        }


def iso(epoch_s: float) -> str:
    """Return a time as the JSON documents show it: ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def observe(session: Session, name: str | None) -> list[View]:
    """Look at one deployment, or at all; side by side. Raises NotFoundError for a name that nobody knows."""
    records = session.records() if name is None else [session.record(name)]
    if not records:
        return []
    import asyncio

    return asyncio.run(_observe_all(session, records))


async def look(session: Session, record: Record) -> View:
    """Look at one deployment."""
    import asyncio

    status = await asyncio.to_thread(provider_status, session, record)
    if status.state not in _ANSWERING or status.endpoint is None:
        return View(record, status)
    from plexctl.flows.health import ask

    health = await ask(status.endpoint)
    return View(record, refine(status, health), health)


def require_running(session: Session, record: Record) -> None:
    """Raise UnhealthyError for a deployment that has ended: its address may be somebody else's by now."""
    status = provider_status(session, record)
    if status.state in ENDED:
        name = record.ref.name
        hint = f"`plexctl start {name}` brings it back"
        raise UnhealthyError(f"{name} is {status.state}: {status.detail}", hint=hint)


def provider_status(session: Session, record: Record) -> Status:
    """Ask the provider; what it cannot answer is UNKNOWN, with the reason."""
    try:
        status = session.provider(record.ref.provider).status(record.ref)
    except PlexError as error:
        return Status(State.UNKNOWN, record.endpoint, error.message)
    if record.wanted is Wanted.STOPPED and status.state is State.FAILED:
        return Status(State.STOPPED, status.endpoint, "stopped")
    if record.wanted is Wanted.GONE:
        return Status(status.state, status.endpoint, "a destroy was cut short: run `plexctl destroy` again")
    return status


def refine(status: Status, health: Health | None) -> Status:
    """Let the gateway's own word refine the provider's."""
    if health is None:
        return Status(State.LOADING, status.endpoint, "running; the gateway does not answer yet")
    words = health.reason or (
        f"{health.busy} of {health.engines} engines busy" if health.state is State.READY else health.in_words()
    )
    return Status(health.state, status.endpoint, words)


async def _observe_all(session: Session, records: Sequence[Record]) -> list[View]:
    import asyncio

    return list(await asyncio.gather(*(look(session, record) for record in records)))
