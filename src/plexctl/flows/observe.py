"""What is true of deployments now: the provider's word, refined by the gateway's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import reduce

from plexctl.errors import NotFoundError, PlexError, UnhealthyError
from plexctl.flows.health import Health
from plexctl.flows.session import Session
from plexctl.flows.tunnels import needs_ssh
from plexctl.journal import Record, Wanted
from plexctl.model import Endpoint, Status, Usage
from plexctl.spec import Spec
from plexctl.states import State

RUNNING = (State.CREATING, State.LOADING, State.READY, State.IDLE, State.DRAINING)
"""States in which something of a deployment runs, or will for the next caller."""
ENDED = (State.FAILED, State.STOPPED, State.MISSING)
"""States in which nothing of it answers any more."""
_ANSWERING = (State.LOADING, State.READY, State.UNKNOWN)


@dataclass(frozen=True, slots=True)
class View:
    """One deployment as it is now."""

    record: Record
    status: Status
    health: Health | None = None
    told: State = State.UNKNOWN
    """What the provider itself said."""
    usage: Usage | None = None
    """What is up of it and what it cost, where the provider scales by itself."""
    most_replicas: int = 1
    """How many the spec allows."""

    def to_dict(self, now: float) -> dict[str, object]:
        """Return it as the JSON documents of `list` and `status` show it."""
        from plexctl.flows.costs import costs_of

        record, endpoint = self.record, self.status.endpoint or self.record.endpoint
        offer = record.offer
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
            "gpus": [asdict(gpu) for gpu in self.status.gpus],
            "price": {"usd_per_hour": offer.price_usd_per_hour, "source": offer.source, "as_of": offer.as_of},
            **costs_of(self, now).to_dict(),
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

    with session.tunnels:
        return asyncio.run(_observe_all(session, records))


async def look(session: Session, record: Record) -> View:
    """Look at one deployment without starting anything of it.

    Where the provider scales by itself its gateway is only asked while something is up.
    """
    import asyncio

    status = await asyncio.to_thread(provider_status, session, record)
    view = View(record, status, told=status.state)
    if not _may_answer(status):
        return view
    view = await asyncio.to_thread(_with_usage, session, view)
    usage = view.usage
    if usage is None or usage.replicas or (usage.replicas is None and usage.was_up):
        return await with_gateways_word(session, view)
    if usage.replicas == 0:
        idle = replace(status, state=State.IDLE, detail="scaled to zero; the next caller starts it")
        return replace(view, status=idle)
    words = f"not known whether anything of it is up: {usage.source}; to ask its gateway would start it"
    return replace(view, status=replace(status, state=State.UNKNOWN, detail=words))


async def with_gateways_word(session: Session, view: View) -> View:
    """Return the view with what the gateway says of itself; asking one that is scaled to zero starts it."""
    endpoint = view.status.endpoint
    if endpoint is None or not _may_answer(view.status):
        return view
    from plexctl.flows.background import in_background
    from plexctl.flows.health import ask

    way = endpoint
    if needs_ssh(endpoint):
        found = await in_background(lambda: session.way_to(view.record.ref, endpoint))
        if isinstance(found, PlexError):
            words = f"running; no way to its gateway: {found.message}"
            return replace(view, status=replace(view.status, detail=words))
        if isinstance(found, BaseException):
            raise found
        way = found
    health = await ask(way)
    if health is None and view.status.state is State.UNKNOWN:
        return view
    return replace(view, status=refine(view.status, health), health=health)


def usage_of(session: Session, record: Record) -> Usage | None:
    """Return what is up and what it cost, without starting anything; None where a provider does not scale by itself."""
    from plexctl.contract import Metered

    provider = session.provider(record.ref.provider)
    if not isinstance(provider, Metered):
        return None
    try:
        return provider.usage(record.ref, record.created_at)
    except PlexError as error:
        return Usage(None, None, error.message)


def _with_usage(session: Session, view: View) -> View:
    usage = usage_of(session, view.record)
    if usage is None:
        return view
    scaling = session.provider(view.record.ref.provider).capabilities.scaling
    most = number_at(view.record.spec, scaling[1]) if scaling else 1
    return replace(view, usage=usage, most_replicas=most)


def number_at(spec: Spec, key: str) -> int:
    """Return the number at a dotted key of a spec."""
    found: object = reduce(getattr, key.split("."), spec)
    if not isinstance(found, int):
        raise TypeError(f"{key} is no number")
    return found


def endpoint_now(session: Session, record: Record) -> Endpoint:
    """Return where callers go now: ports and certificates change with each start at some providers.

    Raises UnhealthyError for a deployment that has ended, since its address may be somebody else's by now, and
    NotFoundError for one that has no address yet.
    """
    status, name = provider_status(session, record), record.ref.name
    if status.state in ENDED:
        hint = f"`plexctl start {name}` brings it back"
        raise UnhealthyError(f"{name} is {status.state}: {status.detail}", hint=hint)
    endpoint = status.endpoint or record.endpoint
    if endpoint is None:
        raise NotFoundError(f"{name} has no endpoint yet", hint=f"see `plexctl status {name}`")
    return endpoint


def provider_status(session: Session, record: Record) -> Status:
    """Ask the provider; what it cannot answer is UNKNOWN, with the reason."""
    try:
        return asked_provider(session, record)
    except PlexError as error:
        return Status(State.UNKNOWN, record.endpoint, error.message)


def asked_provider(session: Session, record: Record) -> Status:
    """Ask the provider, and lay over it what was wanted. Raises what its `status` raises.

    Whom a stop ends is gone at its provider afterwards, and can be started again all the same.
    """
    provider = session.provider(record.ref.provider)
    status = provider.status(record.ref)
    not_told = (State.FAILED, State.MISSING) if provider.capabilities.stop_ends_it else (State.FAILED,)
    if record.wanted is Wanted.STOPPED and status.state in not_told:
        return replace(status, state=State.STOPPED, detail="stopped")
    if record.wanted is Wanted.GONE:
        return replace(status, detail="a destroy was cut short: run `plexctl destroy` again")
    return status


def _may_answer(status: Status) -> bool:
    return status.state in _ANSWERING and status.endpoint is not None


def refine(status: Status, health: Health | None) -> Status:
    """Let the gateway's own word refine the provider's."""
    if health is None:
        return replace(status, state=State.LOADING, detail="running; the gateway does not answer yet")
    words = health.reason or (
        f"{health.busy} of {health.engines} engines busy" if health.state is State.READY else health.in_words()
    )
    return replace(status, state=health.state, detail=words)


async def _observe_all(session: Session, records: Sequence[Record]) -> list[View]:
    import asyncio

    return list(await asyncio.gather(*(look(session, record) for record in records)))
