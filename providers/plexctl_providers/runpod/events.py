"""RunPod's log as events: parsing Server-Sent Events, and telling after a cut which ones were given already. Pure."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from plexctl.model import LogLine
from plexctl_providers._common.loglines import parse_line

SYSTEM = "system"
_REMEMBERED = 5000
"""Events: RunPod sends up to so many lines of the past."""


@dataclass(frozen=True, slots=True)
class Event:
    """One line of a log. `id` is what a reconnect names as the last one seen."""

    id: str
    time: float | None
    source: str
    line: str

    def shown(self) -> LogLine:
        """Return it for a reader: a time that the gateway wrote itself is left out, the host's own words are marked."""
        if self.source == SYSTEM:
            return LogLine(f"[host] {self.line}", self.time)
        return LogLine(parse_line(self.line).text, self.time)


def events_in(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of a stream; what is cut off in the middle of one is left out, to come again."""
    event_id, data = "", ""
    for line in lines:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            event_id = value if value.isascii() else ""  # as Last-Event-ID, no header would carry it
        elif name == "data":
            data = f"{data}\n{value}" if data else value
        elif not line and data:
            event = _event(event_id, data)
            if event is not None:
                yield event
            data = ""


class Seen:
    """What was given already.

    RunPod does not say whether it resumes at the last event or after it, nor whether ids are unique, so that what comes
    again is told by id and text, and counted.
    """

    def __init__(self) -> None:
        self.last_id: str | None = None
        self._given: deque[Event] = deque(maxlen=_REMEMBERED)
        self._again: Counter[Event] = Counter()

    def resume(self) -> None:
        """Expect everything that was given to come once more."""
        self._again = Counter(self._given)

    def is_new(self, event: Event) -> bool:
        """Tell whether an event was not given yet, and take note of it."""
        if self._again[event] > 0:
            self._again[event] -= 1
            return False
        self._given.append(event)
        self.last_id = event.id or self.last_id
        return True


def rfc3339(moment: float) -> str:
    """Return seconds since the epoch as RunPod reads them, rounded down: what comes too early is left out here."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _event(event_id: str, data: str) -> Event | None:
    try:
        told = json.loads(data)
        line, source, time = str(told["line"]), str(told.get("source", "")), str(told.get("ts", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    # A container may write bytes that are no text; half a character can stand in JSON and nowhere else.
    line = line.encode(errors="replace").decode()
    return Event(event_id, _moment(time), source, line.rstrip("\r\n"))


def _moment(text: str) -> float | None:
    if "T" not in text:
        return None
    try:
        return datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError):
        return None
