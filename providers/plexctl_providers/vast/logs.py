"""Logs of an instance: asked for as a whole, since Vast streams nothing, and followed by their difference."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from plexctl_providers.vast.client import VastClient

WHOLE = 100_000
"""Lines that are asked for where all are wanted."""
NO_TLS = "none"
_EVERY_S = 5.0
_CERTIFICATE = re.compile(r"(?:\S+ (?:gateway )?)?plexctl: tls (sha256:[0-9a-f]{64})\s*")
_OF_THE_GATEWAY = re.compile(r"(?:\S+ )?gateway (listening on http://|stopped)\b.*")


def followed(client: VastClient, number: int, tail: int | None, has_ended: Callable[[], bool]) -> Iterator[str]:
    """Yield the lines that are there, then those that come, each once; ends when the instance has.

    More lines than `WHOLE` between two looks would be lost: Vast has no other way to ask.
    """
    seen: list[str] | None = None
    while True:
        # Asked before the log is, so that the last look has the last words.
        is_last = has_ended()
        lines = client.log(number, WHOLE)
        first = lines[len(lines) - tail :] if tail is not None and tail < len(lines) else lines
        yield from first if seen is None else added(seen, lines)
        seen = lines or seen
        if is_last:
            return
        client.pace.sleep(_EVERY_S)


def added(before: Sequence[str], after: Sequence[str]) -> Sequence[str]:
    """Return what `after` has more than `before`, the window having moved by as little as explains it."""
    for start in range(len(before)):
        overlap = len(before) - start
        if overlap <= len(after) and list(before[start:]) == list(after[:overlap]):
            return after[overlap:]
    return after


def tls_of(lines: Sequence[str]) -> str | None:
    """Return how to trust the gateway that wrote the log, NO_TLS for one that serves none, None while it has not said.

    Its certificate is made at its start: what an earlier run of it said does not count. Only the gateway's own lines
    do, not what an engine printed.
    """
    told: str | None = None
    for line in lines:
        certificate, of_gateway = _CERTIFICATE.fullmatch(line), _OF_THE_GATEWAY.fullmatch(line)
        if certificate:
            told = certificate[1]
        elif of_gateway and of_gateway[1] == "stopped":
            told = None
        elif of_gateway and told is None:
            told = NO_TLS
    return told
