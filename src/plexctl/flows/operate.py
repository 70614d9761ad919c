"""`stop`, `start` and `destroy`: each says only what was read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from plexctl.contract import Hosted
from plexctl.errors import PlexError
from plexctl.flows.finding import find_everywhere, refs_of, unknown
from plexctl.flows.follow import Patience, follow_start, look_now, note_start, still_of_use
from plexctl.flows.observe import ENDED, View, provider_status
from plexctl.flows.session import Session, require
from plexctl.flows.staging import make
from plexctl.flows.undoing import stopped, undone, what_may_be_left
from plexctl.journal import Journal, Record, Wanted
from plexctl.locks import mutation_lock
from plexctl.model import KEEP, Kept, Ref, Removal, Resource
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
    others: tuple[str, ...] = ()
    """Deployments of the same name that no record knows, where everything was to go."""


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
    with session.tunnels, mutation_lock(session.home, name), session.journal() as journal:
        record = recorded(journal, name)
        entry = journal.entry(record.ref.id)
        plan = session.provider(record.ref.provider).plan(record.spec, record.offer)
        provider = session.provider(record.ref.provider, values_of(plan.secrets))
        was_running = still_of_use(provider, look_now(session, record))
        entry.want(Wanted.RUNNING)
        if not was_running:
            note_start(session, entry, record.spec)
        try:
            patience = Patience(record.spec.limits.start_timeout_s)
            deployment, patience = make(session, provider, plan, entry, patience)
            with session.tunnels.held_for(record.ref):
                view = follow_start(session, entry.record, patience, entry.reached)
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
            return _destroy_found(session, name, everything=everything)
        entry = journal.entry(record.ref.id)
        entry.want(Wanted.GONE)
        removal = session.provider(record.ref.provider).destroy(record.ref, everything=everything)
        entry.gone()
        others = _elsewhere(session, journal, record.ref) if everything else ()
        return Ended(record.ref, changed=True, removed=removal.removed, kept=removal.kept, others=others)


def lost_by_stop(session: Session, name: str) -> str | None:
    """Return what a stop ends for good, in words; None where it keeps what a start needs, or nothing runs.

    Raises NotFoundError for an unknown name.
    """
    record = session.record(name)
    if not session.provider(record.ref.provider).capabilities.stop_ends_it:
        return None
    if provider_status(session, record).state in ENDED:
        return None
    what = f"{record.ref.provider} cannot stop a machine: that of {name} is ended with all that is on its disk"
    return f"{what}, and a start makes another, should there be one free"


def holdings(session: Session, name: str) -> list[str] | None:
    """Return what plexctl put on the host, as a destroy removes it; None where that cannot be listed.

    Empty where there is no host. Raises NotFoundError when nobody knows the name.
    """
    listed: list[str] = []
    for ref in refs_of(session, name):
        provider = session.provider(ref.provider)
        if not isinstance(provider, Hosted):
            continue
        try:
            listed += provider.holdings(ref)
        except PlexError as error:
            session.reporter.note(f"what is on the host of {ref.label} could not be listed: {error.message}")
            return None
    return listed


def doomed(session: Session, name: str, *, everything: bool) -> tuple[list[str], list[str]]:
    """Return what a destroy would remove and what it would keep, as `kind name`, by journal and plan.

    A plan's step that keeps names a resource, or a kind of them. Raises NotFoundError when nobody knows the name.
    """
    listed = [one for ref in refs_of(session, name) for one in ref.resources]
    record = next((one for one in session.records() if one.ref.name == name), None)
    shared: set[str] = set()
    if record is not None and not everything:
        plan = session.provider(record.ref.provider).plan(record.spec, record.offer)
        shared = {step.subject for step in plan.steps if step.action == KEEP}
    kept = [one for one in listed if shared & {one.kind, f"{one.kind} {one.name}"}]
    return _named(one for one in listed if one not in kept), _named(kept)


def _named(resources: Iterable[Resource]) -> list[str]:
    return [f"{one.kind} {one.name}" for one in resources]


def _destroy_found(session: Session, name: str, *, everything: bool) -> Ended:
    """Remove what the providers know of that name; one that fails does not keep the others."""
    found = find_everywhere(session, name).require(unknown(session, name))
    removals: list[Removal] = []
    failures: list[PlexError] = []
    for ref in found:
        try:
            removals.append(session.provider(ref.provider).destroy(ref, everything=everything))
        except PlexError as error:
            error.message = f"{ref.label} on {ref.provider}: {error.message}"
            failures.append(error)
    if failures:
        raise failures[0]
    removed = tuple(resource for one in removals for resource in one.removed)
    kept = tuple(kept for one in removals for kept in one.kept)
    return Ended(found[0], changed=bool(removed), removed=removed, kept=kept)


def _elsewhere(session: Session, journal: Journal, gone: Ref) -> tuple[str, ...]:
    """Return the labels of others of that name where something was once deployed: what a move kept, or somebody's."""
    found = find_everywhere(session, gone.name, journal.providers()).found
    return tuple(f"{one.label} on {one.provider}" for one in found if one.id != gone.id)


def recorded(journal: Journal, name: str) -> Record:
    """Return a deployment. Raises NotFoundError, with the nearest known name, when there is none."""
    return require(journal.record(name), name, (record.ref.name for record in journal.records()))
