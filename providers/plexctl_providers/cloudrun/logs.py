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
from plexctl_providers.cloudrun.client import Google, Json
from plexctl_providers.cloudrun.errors import is_absent, is_disabled
from plexctl_providers.cloudrun.place import Place

_PAGE = 1000
_LATE_S = 20.0
"""How far back following asks: lines that come in later than that are lost."""
_FIRST_POLL_S, _LAST_POLL_S, _BACKOFF = 0.2, 2.0, 1.4
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
    words, shown, newest = service_filter(place, label), dict[str, float](), since or 0.0
    delay_s, looks_left, first = _FIRST_POLL_S, _LAST_LOOKS, True
    while looks_left:
        if not first and not goes_on():
            looks_left -= 1
        back = since if first else max(newest - _LATE_S, since or 0.0)
        new = [
            entry
            for entry in _entries(google, place.project, _from(words, back or None), tail if first else None)
            if entry.get("insertId") not in shown
        ]
        if first and tail is not None and new:
            since = max(since or 0.0, time_of(new[0]) or 0.0)  # older ones were not asked for
        for entry in new:
            yield line_of(entry)
            shown[entry["insertId"]] = time_of(entry) or newest
            newest = max(newest, shown[entry["insertId"]])
        shown = {key: at for key, at in shown.items() if at >= newest - 2 * _LATE_S}
        delay_s = _FIRST_POLL_S if new else min(delay_s * _BACKOFF, _LAST_POLL_S)
        if first and not goes_on():
            looks_left = 1
        first = False
        time.sleep(delay_s if looks_left == _LAST_LOOKS else _FIRST_POLL_S)


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
