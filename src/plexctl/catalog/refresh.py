"""Renewing prices from their sources, side by side; a provider that fails keeps the rows it had, and is marked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path

from msgspec import structs

from plexctl.catalog import store
from plexctl.catalog.readers import FEED_VARIABLE, Asked, NoReader, NotSetUp, reader_of
from plexctl.catalog.rows import Catalog, Failure, Row
from plexctl.errors import CredentialsError, PlexError, ProviderError
from plexctl.gpus import matching
from plexctl.side_by_side import ask_all

DEADLINE_S = 15.0
_LONGEST_MESSAGE = 200
RENEWED, FAILED, SKIPPED, NO_READER = "renewed", "failed", "skipped", "no_reader"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one provider's prices."""

    provider: str
    outcome: str
    rows: int = 0
    changed: int = 0
    """How many rows are not as they were, by GPU, count, regions and price."""
    message: str = ""


def refresh(
    home: Path, environ: Mapping[str, str], providers: Iterable[str], day: date, deadline_s: float = DEADLINE_S
) -> list[Outcome]:
    """Ask every provider at once and write what came. Raises ConfigurationError when that cannot be written."""
    names = list(providers)
    asked = Asked(environ, day, deadline_s)
    answers = ask_all({name: partial(_read, name, asked) for name in names}, deadline_s)
    shipped, earlier = store.snapshot(), store.renewed_rows(home)
    outcomes, failures = [], {}
    kept = [row for row in earlier if row.provider not in names]
    for name, answer in answers.items():
        before = [row for row in earlier if row.provider == name]
        outcome = _outcome(name, answer, before or list(shipped.rows_of(name)), environ)
        outcomes.append(outcome)
        kept += answer if outcome.outcome == RENEWED and isinstance(answer, list) else before
        if outcome.outcome == FAILED:
            failures[name] = Failure(message=outcome.message, at=day.isoformat())
    if any(outcome.outcome in (RENEWED, FAILED) for outcome in outcomes):
        store.save(home, Catalog(as_of=day.isoformat(), rows=tuple(kept), failures=failures))
    return outcomes


def _read(provider: str, asked: Asked) -> list[Row]:
    """Return a provider's rows, each GPU by plexctl's own name; those of GPUs that it does not know are left out."""
    rows = reader_of(provider, asked.environ)(asked)
    named = [(row, matching(row.gpu, provider) if row.gpu else ()) for row in rows]
    if rows and not any(found for _, found in named):
        raise ProviderError(f"its source names no GPU that plexctl knows, such as {rows[0].gpu}")
    return [structs.replace(row, gpu=found[0].name) for row, found in named if found]


def _outcome(name: str, answer: list[Row] | Exception, before: list[Row], environ: Mapping[str, str]) -> Outcome:
    if isinstance(answer, NoReader):
        return Outcome(name, NO_READER, message=answer.message)
    if isinstance(answer, NotSetUp):
        return Outcome(name, SKIPPED, message=answer.message)
    if isinstance(answer, CredentialsError) and answer.hint and answer.hint.startswith("export"):
        return Outcome(name, SKIPPED, message=f"{answer.message}: {answer.hint}")
    if isinstance(answer, Exception):
        # An unforeseen error is named by its kind alone: its text might hold a secret.
        words = answer.message if isinstance(answer, PlexError) else _words_of(answer)
        return Outcome(name, FAILED, message=words[:_LONGEST_MESSAGE])
    if not answer:
        hint = f"; see {FEED_VARIABLE}" if environ.get(FEED_VARIABLE) else ""
        return Outcome(name, FAILED, message=f"its source named no prices{hint}")
    was = {_what(row) for row in before}
    return Outcome(name, RENEWED, rows=len(answer), changed=sum(_what(row) not in was for row in answer))


def _words_of(error: Exception) -> str:
    return str(error) if type(error) is TimeoutError else type(error).__name__


def _what(row: Row) -> tuple[object, ...]:
    return row.gpu, row.count, row.regions, row.price, row.currency
