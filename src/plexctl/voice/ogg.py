"""Ogg pages (RFC 3533), read from a stream that may be cut anywhere. Only what counting audio needs.

Checksums are not verified: the transport is TCP, and PersonaPlex's encoder (sphn 0.1) is known to write
wrong granule positions, so nothing here trusts more of a page than its framing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_CAPTURE = b"OggS"
_HEADER_SIZE = 27
_CONTINUED = 0x01
_FULL_SEGMENT = 255
MAX_PAGE_SIZE = _HEADER_SIZE + 255 + 255 * 255
"""Bytes of the largest possible page: 65,307."""


class OggError(ValueError):
    """The bytes are not an Ogg stream."""


@dataclass(frozen=True, slots=True)
class Page:
    """One page: `raw` is the page as it came; `segments` its lacing values; `body` what they cut up."""

    flags: int
    serial: int
    segments: bytes
    body: bytes
    raw: bytes

    @property
    def is_continuation(self) -> bool:
        """True when the first packet began on an earlier page."""
        return bool(self.flags & _CONTINUED)


class OggReader:
    """Feed it bytes in any split; it gives back whole pages and holds at most one partial page."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Page]:
        """Return the pages that `data` completes.

        Raises OggError when the stream is not Ogg; the bad bytes are dropped, so that the reader can go on.
        """
        self._buffer += data
        pages: list[Page] = []
        while (page := self._take()) is not None:
            pages.append(page)
        return pages

    def _take(self) -> Page | None:
        buffer = self._buffer
        if bytes(buffer[:4]) != _CAPTURE[: len(buffer)]:
            buffer.clear()
            raise OggError("not an Ogg page: it does not begin with OggS")
        if len(buffer) < _HEADER_SIZE:
            return None
        body_start = _HEADER_SIZE + buffer[26]
        if len(buffer) < body_start:
            return None
        segments = bytes(buffer[_HEADER_SIZE:body_start])
        end = body_start + sum(segments)
        if len(buffer) < end:
            return None
        raw = bytes(buffer[:end])
        del buffer[:end]
        return Page(
            flags=raw[5],
            serial=int.from_bytes(raw[14:18], "little"),
            segments=segments,
            body=raw[body_start:],
            raw=raw,
        )


def packets_of(pages: Iterable[Page]) -> Iterator[bytes]:
    """Yield the whole packets in consecutive pages of one stream; a packet cut off at the end is dropped."""
    pending = b""
    for page in pages:
        if not page.is_continuation:
            pending = b""
        position = 0
        for length in page.segments:
            pending += page.body[position : position + length]
            position += length
            if length < _FULL_SEGMENT:
                yield pending
                pending = b""
