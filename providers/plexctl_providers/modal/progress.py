"""What the weights' fetcher says on its standard output, in words for a reader; and why it failed. Pure.

It says one JSON document a line (`plexctl.gateway.weights.messages`); other lines pass as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from plexctl.errors import CredentialsError, LicenceError, PlexError, ProviderError

_GB = 1e9
_BY_CAUSE: dict[str | None, tuple[type[PlexError], str]] = {
    "licence": (LicenceError, "`plexctl check-license` says what stands in the way"),
    "credentials": (CredentialsError, "`plexctl check-license` says what is wrong with the token"),
}


def words_of(line: str) -> str | None:
    """Return a line for a reader; None for one that says nothing new."""
    said = _message(line)
    if said is None:
        return line
    if said.get("kind") == "progress":
        return _progress(said)
    if said.get("kind") == "done":
        return f"weights: all of commit {str(said.get('commit'))[:12]} is in the volume"
    text = said.get("text") or said.get("reason")
    return f"weights: {text}" if text else None


def failure_in(lines: Iterable[str]) -> PlexError | None:
    """Return why the fetch failed, as it said itself; None when it did not."""
    said = [message for line in lines if (message := _message(line)) and message.get("kind") == "failed"]
    if not said:
        return None
    kind, hint = _BY_CAUSE.get(said[-1].get("cause"), (ProviderError, "deploy again: it goes on where it stopped"))
    return kind(f"the weights could not be fetched into Modal's volume: {said[-1].get('reason')}", hint=hint)


def _progress(said: dict[str, Any]) -> str:
    done, total, speed = said.get("bytes_done"), said.get("bytes_total"), said.get("bytes_per_second")
    if not isinstance(done, int) or not isinstance(total, int):
        return f"weights: {said.get('phase')}"
    rate = f", {speed / 1e6:.0f} MB/s" if isinstance(speed, int) else ""
    return f"weights: {done / _GB:.1f} of {total / _GB:.1f} GB{rate}"


def _message(line: str) -> dict[str, Any] | None:
    if not line.startswith("{"):
        return None
    try:
        found = json.loads(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "kind" in found else None
