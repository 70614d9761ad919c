"""`stop`, `start` and `destroy`: each says only what was read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from plexctl.errors import ConfigurationError, CredentialsError, ExtraMissingError, PlexError
from plexctl.flows.follow import follow_start, look_now, note_start, still_of_use
from plexctl.flows.observe import ENDED, View, provider_status
from plexctl.flows.session import Session, require
from plexctl.flows.undoing import stopped, undone, what_may_be_left
from plexctl.journal import Journal, Record, Wanted
from plexctl.locks import mutation_lock
from plexctl.model import KEEP, Kept, Ref, Resource
from plexctl.secret import Secret
from plexctl.side_by_side import ask_all

_FIND_S = 60.0
_NOT_SET_UP = (CredentialsError, ConfigurationError, ExtraMissingError)
"""What a provider raises that nobody uses on this machine."""

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
        record = recorded(journal, name)
        was_running = provider_status(session, record).state not in ENDED
        entry = journal.entry(record.ref.id)
        entry.want(Wanted.STOPPED)
        session.provider(record.ref.provider).stop(record.ref)
        return Ended(record.ref, changed=was_running)


def start(session: Session, name: str, values_of: SecretsOf) -> tuple[View, bool]:
    """Bring a stopped deployment back and wait until it is ready; returns it and whether anything changed.

    `values_of` gives the values of the secrets that its plan names.
    """
    with mutation_lock(session.home, name), session.journal() as journal:
        record = recorded(journal, name)
        entry = journal.entry(record.ref.id)
        plan = session.provider(record.ref.provider).plan(record.spec, record.offer)
        provider = session.provider(record.ref.provider, values_of(plan.secrets))
        was_running = still_of_use(provider, look_now(session, record))
        entry.want(Wanted.RUNNING)
        if not was_running:
            note_start(session, entry, record.spec)
        try:
            deployment = provider.apply(plan, entry)
            view = follow_start(session, entry.record, record.spec.limits.start_timeout_s, entry.reached)
            entry.ready()
        except BaseException as error:
            if was_running:
                raise
            failed = what_may_be_left(journal, record.ref)
            raise undone(session, error, lambda: stopped(provider, journal, record.ref), failed) from error
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
        return Ended(record.ref, changed=True, removed=removal.removed, kept=removal.kept)


def find_everywhere(session: Session, name: str | None) -> list[Ref]:
    """Ask every provider at once for its deployments of that name (all when None); who cannot answer is told of."""
    asked = {one: partial(_find, session, one, name) for one in session.providers.names()}
    found: list[Ref] = []
    not_set_up = []
    for provider, answer in ask_all(asked, _FIND_S).items():
        if isinstance(answer, _NOT_SET_UP):
            not_set_up.append(provider)
        elif isinstance(answer, PlexError | TimeoutError):
            session.reporter.note(f"{provider} could not be asked: {answer}")
        elif isinstance(answer, Exception):
            raise answer
        else:
            found += answer
    if not_set_up:
        session.reporter.note(f"not asked, as they are not set up here: {', '.join(not_set_up)} (see `plexctl doctor`)")
    return found


def doomed(session: Session, name: str, *, everything: bool) -> tuple[list[str], list[str]]:
    """Return what a destroy would remove and what it would keep, as `kind name`, by journal and plan.

    A plan's step that keeps names a resource, or a kind of them. Raises NotFoundError when nobody knows the name.
    """
    listed = [one for ref in known_refs(session, name) for one in ref.resources]
    record = next((one for one in session.records() if one.ref.name == name), None)
    shared: set[str] = set()
    if record is not None and not everything:
        plan = session.provider(record.ref.provider).plan(record.spec, record.offer)
        shared = {step.subject for step in plan.steps if step.action == KEEP}
    kept = [one for one in listed if shared & {one.kind, f"{one.kind} {one.name}"}]
    return _named(one for one in listed if one not in kept), _named(kept)


def known_refs(session: Session, name: str) -> list[Ref]:
    """Return the deployments of that name, from the journal or else from the providers. Raises NotFoundError."""
    known = [record.ref for record in session.records() if record.ref.name == name]
    return known or find_everywhere(session, name) or [session.record(name).ref]


def _named(resources: Iterable[Resource]) -> list[str]:
    return [f"{one.kind} {one.name}" for one in resources]


def _find(session: Session, provider: str, name: str | None) -> list[Ref]:
    return session.provider(provider).find(name)


def _destroy_found(session: Session, journal: Journal, name: str, *, everything: bool) -> Ended:
    found = find_everywhere(session, name)
    if not found:
        recorded(journal, name)
    removals = [session.provider(ref.provider).destroy(ref, everything=everything) for ref in found]
    removed = tuple(resource for one in removals for resource in one.removed)
    kept = tuple(kept for one in removals for kept in one.kept)
    return Ended(found[0], changed=bool(removed), removed=removed, kept=kept)


def recorded(journal: Journal, name: str) -> Record:
    """Return a deployment. Raises NotFoundError, with the nearest known name, when there is none."""
    return require(journal.record(name), name, (record.ref.name for record in journal.records()))
