"""An app's log by Modal's public API: the last lines, those since, and those that come.

Modal's stream begins with what comes from now on, as far as anybody documents; so history is fetched first, what came
between is fetched when the stream has begun, and no entry is given twice. The client itself goes on after a stream that
broke; what was missed meanwhile is fetched when it is quiet, and a connection that is gone longer is begun anew.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from plexctl.model import LogLine
from plexctl_providers.modal.errors import is_unsure, modal_errors

if TYPE_CHECKING:
    from modal.types import LogEntry

    import modal

_MOST = 20_000
"""Entries that Modal's `tail` gives at once."""
_REMEMBERED = 20_000
_RANGE_S = 34 * 86_400.0
"""The longest range that Modal lets one fetch is 35 days."""
_ROUNDING_S = 0.001
"""The client rounds an entry's time to microseconds, up as well as down: asked by that time, it would be left out."""
_OVERLAP_S = 5.0
"""Containers write side by side: an entry may arrive after a later one."""
_QUIET_S = 5.0
"""After so long without an entry it is looked whether one was missed, and whether the app has ended."""
_TRIES = 5
_FIRST_PAUSE_S = 0.5
_STOPPED = ("stopped", "stopping", "disabled")


def read(app: modal.App, *, since: float | None, tail: int | None) -> Iterator[LogLine]:
    """Yield what the log holds, oldest first."""
    with modal_errors("read the log"):
        yield from _lines(_history(app, since, tail))


def follow(app: modal.App, *, since: float | None, tail: int | None) -> Iterator[LogLine]:
    """Yield what the log holds, then what comes, until the app has ended."""
    fresh = _Fresh(time.time() if tail == 0 else since)
    with modal_errors("follow the log"):
        yield from _lines(fresh.of(_history(app, since, tail)))
        failures = 0
        while True:
            try:
                yield from _lines(fresh.of(_since(app, fresh.last)))
                for line in _lines(_streamed(app, fresh)):
                    failures = 0
                    yield line
            except Exception as error:
                failures += 1
                if not is_unsure(error) or failures > _TRIES:
                    raise
                time.sleep(_FIRST_PAUSE_S * 2**failures)
            else:
                if str(app.info(refresh=True).lifecycle.state.value) in _STOPPED:
                    break
                time.sleep(_FIRST_PAUSE_S)
        yield from _lines(fresh.of(_since(app, fresh.last)))


def _streamed(app: modal.App, fresh: _Fresh) -> Iterator[LogEntry]:
    """Yield entries as they come; with the first, those that came before the stream had begun."""
    has_begun = False
    for entry in app.logs.stream(timeout=_QUIET_S):
        if not has_begun:
            has_begun = True
            yield from fresh.of(_since(app, fresh.last))
        yield from fresh.of([entry])


def _history(app: modal.App, since: float | None, tail: int | None) -> list[LogEntry]:
    if tail == 0:
        return []
    if since is not None:
        found = _since(app, since)
        return found if tail is None else found[-tail:]
    if tail is not None:
        return list(app.logs.tail(min(tail, _MOST)))
    return _since(app, app.info().lifecycle.created_at.timestamp())


def _since(app: modal.App, since: float) -> list[LogEntry]:
    now = time.time()
    if since >= now:
        return []
    start = datetime.fromtimestamp(max(since, now - _RANGE_S) - _ROUNDING_S, UTC)
    return [entry for entry in app.logs.fetch(since=start) if entry.timestamp.timestamp() >= since]


def _lines(entries: Iterable[LogEntry]) -> Iterator[LogLine]:
    """Yield whole lines; what a container has begun waits for its end, or for the end of all."""
    begun: dict[tuple[str, ...], tuple[str, float]] = {}
    for entry in entries:
        writer = (entry.source, *entry.context_ids)
        text, at = begun.pop(writer, ("", entry.timestamp.timestamp()))
        *whole, rest = (text + entry.message).split("\n")
        for line in whole:
            yield _line(line, at)
        if rest:
            begun[writer] = (rest, at)
    for text, at in begun.values():
        yield _line(text, at)


def _line(text: str, at: float) -> LogLine:
    """Take the gateway's own time off a line: Modal's is given beside it."""
    stamp, space, rest = text.partition(" ")
    if space:
        try:
            datetime.fromisoformat(stamp)
        except ValueError:
            return LogLine(text, at)
        return LogLine(rest, at)
    return LogLine(text, at)


class _Fresh:
    """Tells entries that were not given yet from those that were."""

    def __init__(self, since: float | None) -> None:
        self._seen: set[tuple[object, ...]] = set()
        self._order: deque[tuple[object, ...]] = deque()
        self._newest = since
        self._floor = since

    @property
    def last(self) -> float:
        """From when on to ask for what may have been missed."""
        newest = time.time() - _OVERLAP_S if self._newest is None else self._newest - _OVERLAP_S
        return newest if self._floor is None else max(newest, self._floor)

    def of(self, entries: Iterable[LogEntry]) -> Iterator[LogEntry]:
        """Yield the new ones."""
        for entry in entries:
            at = entry.timestamp.timestamp()
            key = (at, entry.source, *entry.context_ids, entry.message)
            if key in self._seen or (self._floor is not None and at < self._floor):
                continue
            if self._floor is None:
                self._floor = at  # what is older than the first that was asked for was not asked for
            self._seen.add(key)
            self._order.append(key)
            if len(self._order) > _REMEMBERED:
                self._seen.discard(self._order.popleft())
            self._newest = max(self._newest or at, at)
            yield entry
