"""What the fetching process says to the gateway: one JSON document a line on its standard output. No I/O."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """How far it is. Sizes in bytes; None where nobody knows yet."""

    phase: str
    bytes_done: int | None = None
    bytes_total: int | None = None
    bytes_per_second: int | None = None
    seconds_left: float | None = None
    files_done: int | None = None
    files_total: int | None = None


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the log."""

    text: str


@dataclass(frozen=True, slots=True)
class Done:
    """Every file of `commit` is here and right."""

    commit: str


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no use in trying again: why, and whose business it is."""

    reason: str
    cause: str | None


Message = Progress | Note | Done | Failed
_KINDS: dict[str, type[Any]] = {kind.__name__.lower(): kind for kind in (Progress, Note, Done, Failed)}


def encode(message: Message) -> str:
    """Return a message as a line without its end."""
    return json.dumps({"kind": type(message).__name__.lower(), **asdict(message)})


def decode(line: bytes) -> Message | None:
    """Return the message in a line, None for a line that is none."""
    try:
        fields = json.loads(line)
        message: Message = _KINDS[fields.pop("kind")](**fields)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return message
