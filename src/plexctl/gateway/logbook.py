"""The last lines that the gateway and its engines wrote: a bounded ring that can be followed, and standard output.

It refuses to grow: lines are cut, old lines fall out, and a follower that does not read loses lines. Values of
secrets are blotted out wherever they come from. Terminal escapes stay as they came: whoever shows a line escapes it.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import TextIO

MAX_LINE = 2_000
"""Characters of a line that are kept."""
_MAX_FOLLOWER_LINES = 1_000


class LineSplitter:
    """Cuts a stream of bytes into lines at newlines and at the carriage returns of progress bars."""

    def __init__(self, max_bytes: int = 4 * MAX_LINE) -> None:
        self._max_bytes = max_bytes
        self._rest = b""
        self._is_skipping = False

    def feed(self, data: bytes) -> list[str]:
        """Return the lines that `data` completes; an over-long line is given once, cut."""
        *whole, rest = (self._rest + data).replace(b"\r", b"\n").split(b"\n")
        lines: list[str] = []
        for line in whole:
            if not self._is_skipping:
                lines.append(_text(line[: self._max_bytes]))
            self._is_skipping = False
        if len(rest) > self._max_bytes:
            if not self._is_skipping:
                lines.append(_text(rest[: self._max_bytes]))
            self._is_skipping = True
        self._rest = b"" if self._is_skipping else rest
        return [line for line in lines if line.strip()]

    def rest(self) -> list[str]:
        """Return the unfinished last line, if there is one."""
        rest, self._rest = self._rest, b""
        return [_text(rest)] if rest.strip() else []


def _text(line: bytes) -> str:
    return line.decode(errors="replace").rstrip()


class Logbook:
    """Lines as `time source text`, newest last."""

    def __init__(
        self,
        stream: TextIO,
        *,
        secrets: Iterable[str] = (),
        max_lines: int = 2_000,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._stream = stream
        self._secrets = tuple(secrets)
        self._lines: deque[str] = deque(maxlen=max_lines)
        self._now = now
        self._followers: set[asyncio.Queue[str]] = set()

    def write(self, source: str, text: str) -> None:
        """Add one line, to the ring, to followers and to the stream."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self._now()))
        line = f"{stamp} {source} {text.replace(chr(10), ' ')[:MAX_LINE]}"
        self._lines.append(line)
        for follower in self._followers:
            if follower.full():
                follower.get_nowait()
            follower.put_nowait(line)
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):
            # Nobody reads standard output any more (its pipe is gone): the ring still has the line.
            pass

    def tail(self, count: int) -> list[str]:
        """Return the last `count` lines."""
        return list(self._lines)[-count:] if count > 0 else []

    def follow(self) -> asyncio.Queue[str]:
        """Return a queue that gets every line from now on, until `unfollow`."""
        queue: asyncio.Queue[str] = asyncio.Queue(_MAX_FOLLOWER_LINES)
        self._followers.add(queue)
        return queue

    def unfollow(self, queue: asyncio.Queue[str]) -> None:
        """Stop filling `queue`."""
        self._followers.discard(queue)
