"""What echo says: each Ogg page it heard, and its prompt's words, one for each second of sound. No I/O."""

from __future__ import annotations

import asyncio
from itertools import cycle

from plexctl.voice import OggError, OggReader, OpusError, PacketReader, is_header, packet_duration_s

_WORD_EVERY_S = 1.0


class Echo:
    """One conversation's answers."""

    def __init__(self, prompt: str, *, is_slow: bool) -> None:
        self.heard_s = 0.0
        """Seconds of sound that came so far."""
        self.is_slow = is_slow
        self.delayed: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(1_000)
        """When slow: answers, each with the seconds to wait before it."""
        self._reader = OggReader()
        self._packets = PacketReader()
        self._words = cycle(prompt.split() or ["echo"])
        self._next_word_s = _WORD_EVERY_S

    def hear(self, ogg: bytes) -> list[bytes]:
        """Return the messages that answer these Ogg bytes."""
        try:
            pages = self._reader.feed(ogg)
        except OggError:
            return []
        answers: list[bytes] = []
        for page in pages:
            seconds = self._seconds(page.raw)
            self.heard_s += seconds
            answer = b"\x01" + page.raw
            if not self.is_slow:
                answers.append(answer)
            elif not self.delayed.full():
                self.delayed.put_nowait((2 * seconds, answer))
        if self.heard_s >= self._next_word_s:
            self._next_word_s += _WORD_EVERY_S
            answers.append(b"\x02" + f" {next(self._words)}".encode())
        return answers

    def _seconds(self, page: bytes) -> float:
        total = 0.0
        try:
            for packet in self._packets.feed(page):
                total += 0.0 if is_header(packet) else packet_duration_s(packet)
        except (OggError, OpusError):
            return total
        return total
