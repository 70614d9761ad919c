"""One command on one channel: its standard input goes in while its output comes out, and the clock is watched."""

from __future__ import annotations

import selectors
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_PIECE = 32768
_PAUSE_S = 0.02
"""Between looks at a full window while there is input left to send: paramiko tells of what comes in only."""
_LONGEST_LINE = 65536


class OverdueError(Exception):
    """A command's time is over; no OSError, which would be the connection's."""


@dataclass(frozen=True, slots=True)
class Finished:
    """How a command ended: its exit code, -1 when a signal ended it, and what it wrote."""

    code: int
    out: str
    err: str


@dataclass(slots=True)
class Lines:
    """Bytes to lines of text; what never ends its line is cut into pieces."""

    _rest: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that are complete now."""
        self._rest += data
        *complete, rest = bytes(self._rest).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            complete, rest = [*complete, rest], b""
        self._rest = bytearray(rest)
        return [_text(line) for line in complete]

    def end(self) -> list[str]:
        """Return what is left."""
        rest, self._rest = bytes(self._rest), bytearray()
        return [_text(rest)] if rest else []


def output(channel: Any, stdin: bytes, deadline: float | None) -> Iterator[tuple[bool, bytes]]:
    """Send the input and yield (is standard error, bytes) as they come, until the command closed its output.

    `deadline` is one of `time.monotonic`; raises OverdueError when it passes.
    """
    left = memoryview(stdin)
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        if not left:
            channel.shutdown_write()
        while True:
            has_ended = channel.closed or (channel.eof_received and not left)
            pieces = list(_pieces(channel))
            yield from pieces
            if left and not channel.closed and channel.send_ready():
                left = left[_sent(channel, left[:_PIECE]) :]
                if not left:
                    channel.shutdown_write()
                continue
            if not pieces:
                if has_ended:
                    return
                selector.select(_wait(deadline, has_input=bool(left)))


def exit_code(channel: Any, deadline: float | None) -> int | None:
    """Return the command's exit code, which comes behind its output; None when no code came. Raises OverdueError."""
    if not channel.status_event.wait(_wait(deadline, has_input=False)):
        raise OverdueError
    return None if channel.exit_status < 0 else int(channel.exit_status)


def last_line(text: str) -> str:
    """Return the last line that says anything, which is where commands say why they failed."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "no reason given")


def _sent(channel: Any, data: memoryview) -> int:
    """Send what can be sent, and return how much that was: nothing to a command that ended meanwhile."""
    try:
        return int(channel.send(data))
    except OSError:
        if not channel.closed:
            raise
        return 0


def _pieces(channel: Any) -> Iterator[tuple[bool, bytes]]:
    if channel.recv_ready():
        yield False, channel.recv(_PIECE)
    if channel.recv_stderr_ready():
        yield True, channel.recv_stderr(_PIECE)


def _wait(deadline: float | None, *, has_input: bool) -> float | None:
    left = None if deadline is None else deadline - time.monotonic()
    if left is not None and left <= 0:
        raise OverdueError
    return min(_PAUSE_S, left or _PAUSE_S) if has_input else left


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r")
