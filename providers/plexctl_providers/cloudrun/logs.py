"""Log lines out of Cloud Logging: the last ones, those since, and, by asking again and again, those that come.

Google's `tail` call is gRPC only. Lines may come in late and out of order, so that following asks for a while back each
time and knows by their ids which lines it has shown. Source of the fields: discovery document of Logging v2.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from plexctl.errors import PlexError
from plexctl.model import LogLine
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.errors import is_absent, is_disabled, is_limited, is_lost
from plexctl_providers.cloudrun.place import Place

_PAGE = 1000
_LATE_S = 20.0
"""How far back following asks: lines that come in later than that are lost."""
_FIRST_POLL_S, _LAST_POLL_S, _BACKOFF = 0.2, 2.0, 1.4
_AFTER_LINES_S = 1.0
"""Projects may read 60 times a minute (Google's page on quotas of Logging, from memory)."""
_PATIENCE_S = (2.0, 5.0, 15.0, 30.0)
_LAST_LOOKS = 3
"""Times that following asks once more after the end: the last words come in late."""


def service_filter(place: Place, label: str) -> str:
    """Return the filter for what a service's containers, and Cloud Run about them, have said; no requests."""
    return (
        f'resource.type="cloud_run_revision" AND resource.labels.service_name="{label}"'
        f' AND resource.labels.location="{place.region}" AND NOT log_id("run.googleapis.com/requests")'
    )


def read_lines(google: Google, place: Place, label: str, *, since: float | None, tail: int | None) -> Iterator[LogLine]:
    """Yield lines, oldest first: the last `tail` of them, those from `since` (epoch seconds) on, or all."""
    yield from (
        line_of(entry) for entry in _entries(google, place.project, _from(service_filter(place, label), since), tail)
    )


def follow_lines(
    google: Google,
    place: Place,
    label: str,
    goes_on: Callable[[], bool],
    *,
    since: float | None,
    tail: int | None,
) -> Iterator[LogLine]:
    """Yield the lines that are there and then those that come, each once, until `goes_on` says no."""
    words = service_filter(place, label)
    first = _entries(google, place.project, _from(words, since), tail)
    yield from (line_of(entry) for entry in first)
    if tail is not None and first:
        since = max(since or 0.0, time_of(first[0]) or 0.0)  # older ones were not asked for
    seen = _Seen(since or 0.0, first)
    delay_s, looks_left = _FIRST_POLL_S, _LAST_LOOKS
    while looks_left:
        looks_left -= not goes_on()
        time.sleep(delay_s if looks_left == _LAST_LOOKS else _FIRST_POLL_S)
        new = seen.new(_patiently(google, place.project, _from(words, seen.back_to)))
        yield from (line_of(entry) for entry in new)
        delay_s = _AFTER_LINES_S if new else min(delay_s * _BACKOFF, _LAST_POLL_S)


class _Seen:
    """Which entries were shown, as far back as following asks."""

    def __init__(self, since: float, first: list[Json]) -> None:
        self._since = self._newest = since
        self._shown: dict[str, float] = {}
        self.new(first)

    @property
    def back_to(self) -> float | None:
        """From when on to ask, in epoch seconds."""
        return max(self._newest - _LATE_S, self._since) or None

    def new(self, entries: list[Json]) -> list[Json]:
        """Return those that were not shown yet, and remember them."""
        found = [one for one in entries if one.get("insertId") not in self._shown]
        self._shown |= {one["insertId"]: time_of(one) or self._newest for one in found}
        self._newest = max([self._newest, *self._shown.values()])
        self._shown = {key: at for key, at in self._shown.items() if at >= self._newest - 2 * _LATE_S}
        return found


def _patiently(google: Google, project: str, words: str) -> list[Json]:
    """Return entries; a limit of reads, or a network that is away for a while, is waited out."""
    for patience_s in _PATIENCE_S:
        try:
            return _entries(google, project, words, None)
        except PlexError as error:
            if not is_lost(error) and not is_limited(error):
                raise
        time.sleep(patience_s)
    return _entries(google, project, words, None)


def build_lines(google: Google, project: str, build_id: str, tail: int) -> list[str]:
    """Return the last lines of a build; none where nobody lets us read them."""
    words = f'resource.type="build" AND resource.labels.build_id="{build_id}"'
    try:
        return [line_of(entry).text for entry in _entries(google, project, words, tail)]
    except PlexError:
        return []


def line_of(entry: Json) -> LogLine:
    """Return an entry as a line; the gateway's own time at its beginning is left out, as Google has one too."""
    payload = entry.get("jsonPayload", {})
    text = str(entry.get("textPayload") or payload.get("message") or "").rstrip("\n")
    stamp, _, rest = text.partition(" ")
    return LogLine(rest if _seconds(stamp) is not None and rest else text, time_of(entry))


def time_of(entry: Json) -> float | None:
    """Return when it was said, in epoch seconds."""
    return _seconds(str(entry.get("timestamp", "")))


def _entries(google: Google, project: str, words: str, tail: int | None) -> list[Json]:
    """Return entries, oldest first; requests and whatever has no text are left out."""
    if tail == 0:
        return []
    body: Json = {"resourceNames": [f"projects/{project}"], "filter": words, "pageSize": _PAGE}
    body["orderBy"] = "timestamp asc" if tail is None else "timestamp desc"
    found: list[Json] = []
    while True:
        try:
            page = google.call("logging", "POST", "/v2/entries:list", body)
        except PlexError as error:
            if is_absent(error) or is_disabled(error):
                return []
            raise
        found += [one for one in page.get("entries", ()) if line_of(one).text]
        token = page.get("nextPageToken")
        if not token or (tail is not None and len(found) >= tail):
            break
        body["pageToken"] = token
    return found if tail is None else found[:tail][::-1]


def _from(words: str, since: float | None) -> str:
    if since is None:
        return words
    moment = datetime.fromtimestamp(since, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return f'{words} AND timestamp>="{moment}"'


def _seconds(stamp: str) -> float | None:
    whole, dot, fraction = stamp.rstrip("Z").partition(".")
    try:
        # Nanoseconds are cut to what Python reads, never rounded up: a line asked for by its own time is in.
        moment = datetime.fromisoformat(f"{whole}{dot}{fraction[:6].ljust(6, '0') if dot else ''}")
    except ValueError:
        return None
    if "T" not in whole:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
