"""The log of a deployment on a host: the unit's journal, or its file where there is no systemd."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass

from plexctl.errors import ProviderError
from plexctl.model import LogLine
from plexctl_providers._common.loglines import parse_line
from plexctl_providers._common.on_host.machine import Machine, Open, connect_to, script_text
from plexctl_providers._common.ssh.errors import ConnectionLostError, UnreachableError

_PATIENCE_S = 60.0
"""How long a host may be out of reach while its log is followed."""
_AGAIN_S = 1.0
_NONE, _FILE, _JOURNAL = "none", "file", "journal"
_BOOTSTRAP = "bootstrap"
_FIRST = "1"


def log_lines(
    machine: Machine,
    label: str,
    *,
    follow: bool,
    since: float | None,
    tail: int | None,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[LogLine]:
    """Yield log lines, oldest first; before there is a gateway, those of the bootstrap.

    With `follow`, go on until the deployment ends; a connection that breaks is made anew, and no line is lost or
    doubled. Nothing where the host does not carry the deployment `label`.
    """
    reading = _Reading(machine, label, _FIRST if since is not None or tail is None else f"-{tail}")
    if follow and (since is None or tail is None):
        yield from _since(_followed(reading, sleep), since)
        return
    # Which lines are the last of those since then is known once all are read.
    yield from deque(_since(reading.once(follow=False), since), maxlen=tail)
    if follow:
        yield from _followed(reading, sleep)


@dataclass(slots=True)
class _Reading:
    """How far a log has been read."""

    machine: Machine
    label: str
    position: str
    """Where to go on: a line's number, a cursor of the journal's, or -COUNT."""
    source: str = ""
    """What was read last: `file gateway`, `journal`, `none`."""

    def once(self, *, follow: bool) -> Iterator[LogLine]:
        """Yield lines over one connection, to the end of the log or of the deployment."""
        with connect_to(self.machine) as host, closing(self._lines(host, follow=follow)) as lines:
            header = next(lines, _NONE).split()
            source = " ".join(header[:2])
            if self.source and source != self.source and not self._starts_anew(header):
                return
            self.source = source
            if header[0] == _FILE:
                yield from self._plain(lines, int(header[2]))
            elif header[0] == _JOURNAL:
                yield from self._journal(lines)

    def _starts_anew(self, header: list[str]) -> bool:
        """Tell whether there is a gateway's log after the bootstrap's, to be read from its beginning."""
        if self.source != f"{_FILE} {_BOOTSTRAP}" or header[0] == _NONE:
            return False
        self.position, self.source = _FIRST, ""
        return header[0] == _JOURNAL or header[2] == _FIRST

    def _lines(self, host: Open, *, follow: bool) -> Generator[str]:
        argv = ["bash", "-s", "--", self.label, self.position, "yes" if follow else "no"]
        yield from host.connection.lines(host.sudo.argv(argv), stdin=host.sudo.stdin(script_text("log").encode()))

    def _plain(self, lines: Iterator[str], first: int) -> Iterator[LogLine]:
        self.position = str(first)
        for number, line in enumerate(lines, first + 1):
            self.position = str(number)
            yield parse_line(line)

    def _journal(self, lines: Iterator[str]) -> Iterator[LogLine]:
        for line in lines:
            self.position, parsed = journal_line(line)
            yield parsed


def journal_line(text: str) -> tuple[str, LogLine]:
    """Return the cursor and the line of a row of `journalctl --output json`. Raises ProviderError. Pure."""
    try:
        row = json.loads(text)
        message = row.get("MESSAGE") or ""
        words = message if isinstance(message, str) else bytes(message).decode(errors="replace")
        line = parse_line(words)
        told_at = int(row["__REALTIME_TIMESTAMP"]) / 1e6
        return str(row["__CURSOR"]), line if line.time is not None else LogLine(words, told_at)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ProviderError(f"journalctl said something that makes no sense: {text[:100]!r}") from error


def _followed(reading: _Reading, sleep: Callable[[float], None]) -> Iterator[LogLine]:
    """Follow over as many connections as it takes."""
    silent_s, before = 0.0, ("", "")
    while True:
        begun = time.monotonic()
        try:
            for line in reading.once(follow=True):
                silent_s = 0.0
                yield line
        except (ConnectionLostError, UnreachableError) as error:
            if isinstance(error, UnreachableError):
                silent_s += time.monotonic() - begun
            if silent_s >= _PATIENCE_S:
                raise
            silent_s += _AGAIN_S
            sleep(_AGAIN_S)
            continue
        # Where the bootstrap's log has ended: once more, for the gateway's, if there is one by now.
        read = (reading.source, reading.position)
        if reading.source not in ("", f"{_FILE} {_BOOTSTRAP}") or read == before:
            return
        before = read


def _since(lines: Iterator[LogLine], since: float | None) -> Iterator[LogLine]:
    """Yield the lines from a time on; one without a time belongs to the one before it."""
    shown = since is None
    for line in lines:
        if since is not None and line.time is not None:
            shown = line.time >= since
        if shown:
            yield line
