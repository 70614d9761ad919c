"""Taking back what a failed run made, and telling in the error what is true afterwards."""

from __future__ import annotations

from collections.abc import Callable

from plexctl.contract import Provider
from plexctl.errors import InterruptedByUser, PlexError
from plexctl.flows.session import Session
from plexctl.journal import Journal, Wanted
from plexctl.model import Ref, Removal

NOTHING_LEFT = "nothing of it is left"


def with_consequence(error: BaseException, left: str) -> BaseException:
    """Return the error with what is left said in its message."""
    if isinstance(error, KeyboardInterrupt):
        return InterruptedByUser(f"interrupted; {left}")
    if isinstance(error, PlexError):
        error.message = f"{error.message}; {left}"
        return error
    error.add_note(left)
    return error


def undone(
    session: Session, error: BaseException, undo: Callable[[], str], failed: Callable[[str], str]
) -> BaseException:
    """Run `undo`, which returns what is true after it, and return the error that says so.

    When that fails or is interrupted too, `failed` makes the words, given the reason.
    """
    session.reporter.note("it did not come up: taking back what was done")
    try:
        left = undo()
    except KeyboardInterrupt as second:
        return with_consequence(second, failed("interrupted too"))
    except Exception as second:  # noqa: BLE001 - the first error is the one to tell; a bug is named by its kind
        reason = second.message if isinstance(second, PlexError) else type(second).__name__
        return with_consequence(error, failed(f"failed too ({reason})"))
    return with_consequence(error, left)


def removed(provider: Provider, journal: Journal, ref: Ref) -> str:
    """Remove what this run made and return what is left of it; its name is free again.

    Where nothing was so much as intended, nobody is asked: a host that cannot be reached had nothing put on it.
    """
    record = journal.record(ref.name)
    if record is None:
        return NOTHING_LEFT
    if not record.ref.resources:
        journal.entry(ref.id).gone()
        return NOTHING_LEFT
    removal = provider.destroy(record.ref)
    journal.entry(ref.id).gone()
    return left_by(removal)


def left_by(removal: Removal) -> str:
    """Return what a removal left, in words."""
    if not removal.kept:
        return NOTHING_LEFT
    return f"removed, and kept: {', '.join(f'{one.kind} {one.name}' for one in removal.kept)}"


def stopped(provider: Provider, journal: Journal, ref: Ref) -> str:
    """Stop what this run started and return what is true of it."""
    provider.stop(journal.entry(ref.id).ref)
    journal.entry(ref.id).want(Wanted.STOPPED)
    return "it is stopped"


def what_may_be_left(journal: Journal, ref: Ref) -> Callable[[str], str]:
    """Return what makes the words for an undoing that failed: what the journal knows of, and what ends it."""

    def words(reason: str) -> str:
        record = journal.record(ref.name)
        known = [f"{one.kind} {one.name}" for one in record.ref.resources] if record else []
        left = f"; what may be left of it: {', '.join(known)}" if known else ""
        return f"taking it back {reason}{left}: run `plexctl destroy {ref.name}`"

    return words
