"""`stop`, `start` and `destroy`: each says only what was read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from plexctl.errors import PlexError
from plexctl.flows.follow import end_of, follow_start, look_now, still_of_use
from plexctl.flows.observe import RUNNING, View, provider_status
from plexctl.flows.session import Session, require
from plexctl.flows.undoing import stopped, undone, what_may_be_left
from plexctl.journal import Journal, Record, Wanted
from plexctl.locks import mutation_lock
from plexctl.model import Kept, Ref, Resource
from plexctl.secret import Secret

SecretsOf = Callable[[Iterable[str]], Mapping[str, Secret]]
"""Returns the values of secrets. Raises ConfigurationError for one that cannot be found."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What `stop` or `destroy` did; `changed` is False when it was so already."""

    ref: Ref
    changed: bool
    removed: tuple[Resource, ...] = ()
    kept: tuple[Kept, ...] = ()
    """What was left on purpose."""


def stop(session: Session, name: str) -> Ended:
    """End what costs while it runs, keep what `start` needs. Raises NotFoundError for an unknown name."""
    with mutation_lock(session.home, name), session.journal() as journal:
        record = _recorded(journal, name)
        was_running = provider_status(session, record).state in RUNNING
        entry = journal.entry(record.ref.id)
        entry.want(Wanted.STOPPED)
        session.provider(record.ref.provider).stop(record.ref)
        return Ended(record.ref, changed=was_running)


def start(session: Session, name: str, values_of: SecretsOf) -> tuple[View, bool]:
    """Bring a stopped deployment back and wait until it is ready; returns it and whether anything changed.

    `values_of` gives the values of the secrets that its plan names.
    """
    with mutation_lock(session.home, name), session.journal() as journal:
        record = _recorded(journal, name)
        entry = journal.entry(record.ref.id)
        plan = session.provider(record.ref.provider).plan(record.spec, record.offer)
        provider = session.provider(record.ref.provider, values_of(plan.secrets))
        was_running = still_of_use(provider, look_now(session, record))
        entry.want(Wanted.RUNNING)
        if not was_running:
            entry.expires(end_of(session, record.spec))
        try:
            deployment = provider.apply(plan, entry)
            view = follow_start(session, entry.record, record.spec.limits.start_timeout_s)
        except BaseException as error:
            if was_running:
                raise
            failed = what_may_be_left(journal, record.ref)
            raise undone(error, lambda: stopped(session, provider, journal, record.ref), failed) from error
        return view, deployment.changed


def destroy(session: Session, name: str, *, everything: bool = False) -> Ended:
    """Remove a deployment; with `everything` also what a next deploy would use again, unless others use it.

    What the journal does not know is looked for at each provider, so that a lost record loses nothing. Raises
    NotFoundError when nobody knows the name.
    """
    with mutation_lock(session.home, name), session.journal() as journal:
        record = journal.record(name)
        if record is None:
            return _destroy_found(session, journal, name, everything=everything)
        entry = journal.entry(record.ref.id)
        entry.want(Wanted.GONE)
        removal = session.provider(record.ref.provider).destroy(record.ref, everything=everything)
        entry.gone()
        return Ended(record.ref, changed=bool(removal.removed), removed=removal.removed, kept=removal.kept)


def find_everywhere(session: Session, name: str | None) -> list[Ref]:
    """Ask every provider for its deployments of that name (all when None); one that cannot answer is told of."""
    found: list[Ref] = []
    for provider in session.providers.names():
        try:
            found += session.provider(provider).find(name)
        except PlexError as error:
            session.reporter.note(f"{provider} was not asked: {error.message}")
    return found


def known_refs(session: Session, name: str) -> list[Ref]:
    """Return the deployments of that name, from the journal or else from the providers. Raises NotFoundError."""
    recorded = [record.ref for record in session.records() if record.ref.name == name]
    return recorded or find_everywhere(session, name) or [session.record(name).ref]


def _destroy_found(session: Session, journal: Journal, name: str, *, everything: bool) -> Ended:
    found = find_everywhere(session, name)
    if not found:
        _recorded(journal, name)
    removals = [session.provider(ref.provider).destroy(ref, everything=everything) for ref in found]
    removed = tuple(resource for one in removals for resource in one.removed)
    kept = tuple(kept for one in removals for kept in one.kept)
    return Ended(found[0], changed=bool(removed), removed=removed, kept=kept)


def _recorded(journal: Journal, name: str) -> Record:
    return require(journal.record(name), name, (record.ref.name for record in journal.records()))
