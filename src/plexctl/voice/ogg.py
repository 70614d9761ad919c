"""Ogg pages and packets (RFC 3533), read from a stream that may be cut anywhere. Only what a voice stream needs.

Checksums are not verified: the transport is TCP, and PersonaPlex's encoder (sphn 0.1) is known to write
wrong granule positions, so nothing here trusts more of a page than its framing.
"""

from __future__ import annotations

from dataclasses import dataclass

_CAPTURE = b"OggS\x00"
_HEADER_SIZE = 27
_SEGMENT_COUNT = 26
_CONTINUED = 0x01
_FULL_SEGMENT = 255
MAX_PAGE_SIZE = _HEADER_SIZE + 255 + 255 * 255
"""Bytes of the largest possible page: 65,307."""
MAX_PACKET_SIZE = 128 * 1024
"""Bytes of the largest packet taken from a peer: twice the largest Opus packet (48 frames of 1,275 bytes)."""


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
    """Feed it bytes in any split; it gives back whole pages and keeps at most one partial page."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._wanted = _HEADER_SIZE
        """Bytes without which the next look at the buffer would find nothing new: keeps tiny pieces linear."""

    @property
    def held_bytes(self) -> int:
        """Bytes of the partial page kept for the next call, less than MAX_PAGE_SIZE."""
        return len(self._buffer)

    def feed(self, data: bytes) -> list[Page]:
        """Return the pages that `data` completes.

        Raises OggError when the stream is not Ogg; what was read so far is dropped, so that the reader can go on.
        """
        buffer = self._buffer
        buffer += data
        pages: list[Page] = []
        try:
            while (page := self._take()) is not None:
                pages.append(page)
        except OggError:
            buffer.clear()
            self._wanted = _HEADER_SIZE
            raise
        return pages

    def _take(self) -> Page | None:
        buffer = self._buffer
        if not _CAPTURE.startswith(buffer[: len(_CAPTURE)]):
            raise OggError("not an Ogg page: it does not begin with OggS and version 0")
        if len(buffer) < self._wanted:
            return None
        body_start = _HEADER_SIZE + buffer[_SEGMENT_COUNT]
        segments = bytes(buffer[_HEADER_SIZE:body_start])
        end = body_start + sum(segments)
        if len(buffer) < body_start or len(buffer) < end:
            self._wanted = max(body_start, end)
            return None
        raw = bytes(buffer[:end])
        del buffer[:end]
        self._wanted = _HEADER_SIZE
        serial = int.from_bytes(raw[14:18], "little")
        return Page(flags=raw[5], serial=serial, segments=segments, body=raw[body_start:], raw=raw)


class PacketReader:
    """Feed it bytes of one Ogg stream in any split; it gives back whole packets, also those that span pages.

    A packet whose beginning was never seen is dropped, and so is one cut off by a page that does not continue it.
    """

    def __init__(self, max_packet_size: int = MAX_PACKET_SIZE) -> None:
        self._pages = OggReader()
        self._max_packet_size = max_packet_size
        self._serial: int | None = None
        self._partial = bytearray()
        """The beginning of a packet that goes on in the next page; empty when there is none."""

    @property
    def held_bytes(self) -> int:
        """Bytes kept for the next call: less than one page and one packet."""
        return self._pages.held_bytes + len(self._partial)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the packets that `data` completes. Raises OggError for what is no Ogg, or an endless packet."""
        packets: list[bytes] = []
        for page in self._pages.feed(data):
            self._read(page, packets)
        return packets

    def _read(self, page: Page, packets: list[bytes]) -> None:
        goes_on = page.is_continuation and page.serial == self._serial
        current = self._partial if goes_on else bytearray()
        is_orphan = page.is_continuation and not current
        self._serial = page.serial
        position = 0
        for length in page.segments:
            current += page.body[position : position + length]
            position += length
            if len(current) > self._max_packet_size:
                self._partial = bytearray()
                raise OggError(f"a packet of more than {self._max_packet_size} bytes")
            if length == _FULL_SEGMENT:
                continue
            if not is_orphan:
                packets.append(bytes(current))
            is_orphan = False
            current = bytearray()
        self._partial = bytearray() if is_orphan else current
