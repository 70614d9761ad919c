"""Holding what every provider lists against the journal, and asking what is true of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from plexctl.errors import PlexError
from plexctl.flows.drift import Difference, Kind, Seen, judge
from plexctl.flows.finding import Search, find_everywhere
from plexctl.flows.session import Session
from plexctl.identity import is_name
from plexctl.journal import Record
from plexctl.locks import is_locked
from plexctl.model import Ref, Status
from plexctl.side_by_side import ask_all
from plexctl.states import State

_STATUS_S = 300.0
"""For the states of all deployments: a provider may ask to be asked later (429)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What is looked for."""

    only_expired: bool = False
    takes_young: bool = False
    """What is unknown here counts as an orphan whatever its age."""
    must_all_answer: bool = False
    """Also providers at which nothing was ever recorded here, once they are set up."""

    def judge(self, seen: Seen, now: float) -> Difference | None:
        """Return what a deployment's difference is called; None where there is none, or it is not looked for."""
        found = judge(seen, now, takes_young=self.takes_young)
        return None if found is not None and self.only_expired and found.kind is not Kind.EXPIRED else found


@dataclass(frozen=True, slots=True)
class Survey:
    """What differs, and who could not be asked."""

    differences: list[Difference] = field(default_factory=list)
    busy: list[Ref] = field(default_factory=list)
    """Another plexctl of this machine is changing these right now: nothing is said of them."""
    asked: list[str] = field(default_factory=list)
    not_set_up: list[str] = field(default_factory=list)
    unheard: dict[str, str] = field(default_factory=dict)
    """Who did not answer and need not, and why."""
    failed: dict[str, str] = field(default_factory=dict)
    """Who did not answer and had to, and why."""


@dataclass(frozen=True, slots=True)
class _Books:
    """What the journal knows."""

    records: list[Record]
    gone: set[str]
    used: set[str]
    """Providers at which anything was ever recorded."""


def survey(session: Session, scope: Scope) -> Survey:
    """Ask every provider for its list, and hold it against the journal.

    The journal is read after the lists: whatever this machine makes is recorded before it can be listed.
    """
    search = find_everywhere(session, None)
    books = _books(session)
    answered = [one for one in session.providers.names() if one not in search.failed and one not in search.not_set_up]
    result = Survey(asked=answered, not_set_up=search.not_set_up)
    _tell_failures(session, search, books, scope, result)
    seen: list[Seen] = []
    for one in _matched(search.found, books, answered):
        if is_locked(session.home, one.ref.name):
            result.busy.append(one.ref)
        else:
            seen.append(one)
    for one in _with_statuses(session, seen, result):
        difference = scope.judge(one, session.now())
        if difference is not None:
            result.differences.append(difference)
    return result


def _books(session: Session) -> _Books:
    if not session.has_journal():
        return _Books([], set(), set())
    with session.journal() as journal:
        return _Books(journal.records(), journal.ids_gone(), journal.providers())


def _tell_failures(session: Session, search: Search, books: _Books, scope: Scope, result: Survey) -> None:
    """Sort who did not answer: where something is recorded, or nothing is recorded anywhere, it had to."""
    must_all = scope.must_all_answer or not books.used
    for provider, error in search.failed.items():
        (result.failed if must_all or provider in books.used else result.unheard)[provider] = error.message
    known = session.providers.names()
    for provider in sorted({one.ref.provider for one in books.records}):
        names = ", ".join(one.ref.name for one in books.records if one.ref.provider == provider)
        if provider in search.not_set_up or provider not in known:
            result.failed[provider] = f"not set up here, and recorded there: {names}"


def _matched(found: list[Ref], books: _Books, answered: list[str]) -> list[Seen]:
    """Return everything that is listed or recorded, once, without a word yet on what is true of it.

    What no deployment can be called is not plexctl's, however its name begins.
    """
    unknown = Status(State.UNKNOWN)
    recorded = {(one.ref.provider, one.ref.id): one for one in books.records}
    ids = {one.ref.id for one in books.records}
    records = [one for one in books.records if one.ref.provider in answered]
    strangers = [ref for ref in found if is_name(ref.name) and (ref.provider, ref.id) not in recorded]
    return [
        *(Seen(one.ref, unknown, record=one) for one in records),
        *(Seen(ref, unknown, was_gone=ref.id in books.gone - ids, is_elsewhere=ref.id in ids) for ref in strangers),
    ]


def _with_statuses(session: Session, seen: list[Seen], result: Survey) -> list[Seen]:
    """Ask what is true of each, the providers side by side; a provider that fails at what is recorded has failed."""
    providers = sorted({one.ref.provider for one in seen})
    asked: dict[str, Callable[[], list[Seen | PlexError]]] = {
        name: partial(_statuses, session, name, [one for one in seen if one.ref.provider == name]) for name in providers
    }
    known: list[Seen] = []
    for name, answer in ask_all(asked, _STATUS_S).items():
        if isinstance(answer, TimeoutError):
            result.failed[name] = f"its deployments could not be looked at: {answer}"
        elif isinstance(answer, Exception):
            raise answer
        else:
            known += [one for one in answer if isinstance(one, Seen)]
            errors = [one for one in answer if isinstance(one, PlexError)]
            if errors:
                result.failed[name] = errors[0].message
    return known


def _statuses(session: Session, name: str, seen: list[Seen]) -> list[Seen | PlexError]:
    """Ask one provider; what is listed and unknown here is an orphan whatever its state."""
    provider = session.provider(name)
    in_place = provider.capabilities.updates_in_place
    answers: list[Seen | PlexError] = []
    for one in seen:
        try:
            status = provider.status(one.ref)
        except PlexError as error:
            if one.record is not None:
                error.message = f"{one.ref.label} could not be looked at: {error.message}"
                answers.append(error)
            status = Status(State.UNKNOWN, None, error.message)
        answers.append(replace(one, status=status, changes_in_place=in_place))
    return answers
