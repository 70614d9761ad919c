"""What an engine says while it builds, pulls or pushes: steps, layers, digests and failures. Pure.

Docker's and Podman's events differ in small ways; both are JSON objects with some of the keys `stream`, `status`, `id`,
`progress`, `aux`, `error` and `errorDetail` (Docker Engine API, image build, create and push).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from plexctl.errors import PlexError, PreflightError, ProviderError
from plexctl.images.engine_errors import FREE_SPACE, from_words, is_disk_full, one_line

_STEP = re.compile(r"^(?:\[\d+/\d+\] )?(?:STEP|Step) (?P<number>\d+)/(?P<count>\d+) ?: (?P<command>.*)")
_DIGEST = re.compile(r"digest: (?P<digest>sha256:[0-9a-f]{64})")
_LAST_LINES = 20
_SHOWN = 3
_LONGEST = 100
_THROUGH = frozenset({"pull complete", "pushed", "already exists", "layer already exists", "download complete"})

Event = Mapping[str, Any]
Report = Callable[[str], None]


def follow_build(events: Iterable[Event], report: Report) -> None:
    """Report each step as it begins. Raises ProviderError with the step that failed and its last words."""
    step = "before its first step"
    last: deque[str] = deque(maxlen=_LAST_LINES)
    for event in events:
        for line in str(event.get("stream") or "").splitlines():
            found = _STEP.match(line)
            if found:
                step = f"step {found['number']}/{found['count']}, {found['command'][:_LONGEST]}"
                last.clear()
                report(f"building: {found['number']}/{found['count']} {found['command'][:_LONGEST]}")
            elif line.strip():
                last.append(line)
        if failure(event) is not None:
            raise _build_error(step, failure(event) or "", list(last))


def follow_transfer(events: Iterable[Event], action: str, report: Report) -> str | None:
    """Report how many layers are through, or what the engine says instead; return the digest that it told, if any.

    `action` says what is done, such as `push NAME`. Raises what `from_words` makes of a failure.
    """
    digest, through, known = None, set[str](), set[str]()
    for event in events:
        words = failure(event)
        if words is not None:
            raise from_words(action, words)
        layer, status = str(event.get("id") or ""), str(event.get("status") or event.get("stream") or "").strip()
        if layer and event.get("progressDetail") is not None:
            known.add(layer)
            through |= {layer} if status.lower() in _THROUGH else set()
            report(f"{action}: {len(through)} of {len(known)} layers")
        elif status:
            report(f"{action}: {status[:_LONGEST]}")
        digest = _digest(event, status) or digest
    return digest


def failure(event: Event) -> str | None:
    """Return why it failed, None for any other event."""
    detail = event.get("errorDetail")
    words = event.get("error") or (detail.get("message") if isinstance(detail, Mapping) else None)
    return None if words is None else one_line(str(words))


def _digest(event: Event, status: str) -> str | None:
    aux = event.get("aux")
    if isinstance(aux, Mapping) and str(aux.get("Digest", "")).startswith("sha256:"):
        return str(aux["Digest"])
    found = _DIGEST.search(status)
    return found["digest"] if found else None


def _build_error(step: str, words: str, last: list[str]) -> PlexError:
    """Return the error of a build. Its words may quote a command of the Dockerfile: only a full disk is told apart."""
    shown = f"; it said: {' | '.join(last[-_SHOWN:])}" if last else ""
    text = f"the image was not built: {step}: {words}{shown}"
    if is_disk_full(words):
        return PreflightError(text, hint=FREE_SPACE, data={"log": last})
    return ProviderError(text, hint="the step's output is in `data.log` with --json", data={"log": last})
