"""`gc --delete`: ending what a survey found, each under its lock, verified, whatever becomes of the others."""

from __future__ import annotations

from dataclasses import dataclass, field

from plexctl.contract import Provider
from plexctl.errors import ConflictError, PlexError, ProviderError
from plexctl.flows.drift import Difference, Kind
from plexctl.flows.session import Session
from plexctl.journal import Journal, Record, Wanted
from plexctl.locks import mutation_lock
from plexctl.model import Kept, Ref, Removal

ENDS = (Kind.ORPHAN, Kind.GHOST, Kind.EXPIRED)
"""What is ended: nothing that may be somebody's work, or was stopped or kept on purpose."""


@dataclass(frozen=True, slots=True)
class Collected:
    """What became of what was to end."""

    deleted: list[Difference] = field(default_factory=list)
    kept: list[Kept] = field(default_factory=list)
    """What the deletes left on purpose."""
    left: list[tuple[Difference, str]] = field(default_factory=list)
    """What somebody else changed meanwhile, and why it was left alone."""
    failed: list[tuple[Difference, PlexError]] = field(default_factory=list)


def collect(session: Session, differences: list[Difference]) -> Collected:
    """End each, one after the other; what fails or is locked keeps none of the others."""
    done = Collected()
    for one in differences:
        label = f"{one.seen.ref.label} on {one.seen.ref.provider}"
        session.reporter.progress(f"ending {label}")
        try:
            removal = _end(session, one)
        except ConflictError as error:
            done.left.append((one, error.message))
        except PlexError as error:
            error.message = f"{label}: {error.message}"
            done.failed.append((one, error))
        else:
            done.deleted.append(one)
            done.kept.extend(removal.kept)
    return done


def _end(session: Session, one: Difference) -> Removal:
    """End one as it was seen. Raises ConflictError when it is locked, or recorded otherwise by now."""
    ref, seen = one.seen.ref, one.seen
    with mutation_lock(session.home, ref.name), session.journal() as journal:
        record = journal.record(ref.name)
        mine = record if record is not None and _is_of(record, ref) else None
        if _essence(mine) != _essence(seen.record):
            raise ConflictError(f"{ref.name} was changed meanwhile", hint="run `plexctl gc` again")
        provider = session.provider(ref.provider)
        if mine is not None:
            return _end_recorded(provider, journal, mine)
        removal = provider.destroy(ref)
        return removal if seen.was_gone or seen.is_elsewhere else _end_rest(provider, ref, removal)


def _end_recorded(provider: Provider, journal: Journal, record: Record) -> Removal:
    entry = journal.entry(record.ref.id)
    entry.want(Wanted.GONE)
    removal = provider.destroy(record.ref)
    entry.gone()
    return removal


def _end_rest(provider: Provider, ref: Ref, removal: Removal) -> Removal:
    """Take away what was kept of a deployment that nobody here will deploy again, where its provider still lists it.

    Raises ProviderError for what is listed after that, and was not kept on purpose.
    """
    if not _is_listed(provider, ref):
        return removal
    rest = provider.destroy(ref, everything=True)
    if _is_listed(provider, ref) and not rest.kept:
        raise ProviderError("it is still listed after its end was read back", hint="run `plexctl gc` again")
    return Removal((*removal.removed, *rest.removed), rest.kept)


def _is_listed(provider: Provider, ref: Ref) -> bool:
    return any(one.id == ref.id for one in provider.find(ref.name))


def _is_of(record: Record, ref: Ref) -> bool:
    return (record.ref.provider, record.ref.id) == (ref.provider, ref.id)


def _essence(record: Record | None) -> tuple[object, ...] | None:
    """Return what a deploy, stop or start changes of a record."""
    return None if record is None else (record.ref, record.spec, record.wanted, record.ready_at, record.expires_at)
