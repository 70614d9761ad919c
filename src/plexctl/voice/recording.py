"""A recorded voice: read from an Ogg/Opus file, sent page by page for any length of time, written to a file.

No codec: packets keep their bytes, and only the pages around them are new. What is refused: anything but mono at
24 or 48 kHz, since the upstream server reads nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from plexctl.voice.ogg import PacketReader
from plexctl.voice.ogg_writer import MAX_SEGMENTS, OggWriter, segments_of
from plexctl.voice.opus import GRANULES_PER_S, OpusError, OpusHead, encode_tags, is_header, packet_granules

PAGE_S = 0.040
"""Seconds in a page sent live: what the upstream web client sends (two frames of 20 ms)."""
_FILE_PAGE_S = 1.0
_SERIAL = 0x706C6578
_RATES_HZ = (24_000, 48_000)


@dataclass(frozen=True, slots=True)
class TimedPage:
    """One page to send and the seconds it sounds: 0 for the two header pages."""

    ogg: bytes
    seconds: float


@dataclass(frozen=True, slots=True)
class Recording:
    """The audio packets of a voice, and what its header said."""

    packets: tuple[bytes, ...] = field(repr=False)
    head: OpusHead

    @classmethod
    def from_ogg(cls, data: bytes) -> Recording:
        """Read a whole Ogg/Opus file. Raises OggError or OpusError with what is wrong with it."""
        packets = PacketReader(max_packet_size=max(len(data), 1)).feed(data)
        if not packets:
            raise OpusError("no OpusHead: the file holds no Ogg packet")
        head = OpusHead.parse(packets[0])
        if head.channels != 1:
            raise OpusError(f"{head.channels} channels: a voice server takes mono")
        if head.rate_hz not in _RATES_HZ:
            raise OpusError(f"recorded at {head.rate_hz} Hz: a voice server takes 24000 or 48000")
        audio = tuple(packet for packet in packets if not is_header(packet))
        if not sum(map(packet_granules, audio)):
            raise OpusError("the file holds no sound")
        return cls(audio, head)

    @property
    def duration_s(self) -> float:
        """Seconds of sound, the encoder's lead-in included."""
        return sum(map(packet_granules, self.packets)) / GRANULES_PER_S

    def pages(self, seconds: float) -> Iterator[TimedPage]:
        """Yield two header pages, then pages of 40 ms (or one longer packet) until `seconds` have been sent.

        A recording that is too short starts again, in the same stream: sequence and granules go on.
        """
        writer = OggWriter(_SERIAL)
        yield TimedPage(writer.page([self.head.encode()], 0), 0.0)
        yield TimedPage(writer.page([encode_tags()], 0), 0.0)
        wanted = max(round(seconds * GRANULES_PER_S), 1)
        granule = 0
        for packets in _grouped(cycle(self.packets), PAGE_S):
            length = sum(map(packet_granules, packets))
            granule += length
            is_last = granule >= wanted
            yield TimedPage(writer.page(packets, granule, is_last=is_last), length / GRANULES_PER_S)
            if is_last:
                return


def ogg_file(packets: Sequence[bytes], head: OpusHead | None = None) -> bytes:
    """Return a playable Ogg/Opus file of audio packets; granules come from the packets' own durations.

    PersonaPlex's own stream cannot be saved as it comes: opusdec refuses its granule positions. Raises OpusError
    for a packet that is none.
    """
    writer = OggWriter(_SERIAL)
    pages = [writer.page([(head or OpusHead()).encode()], 0)]
    groups = list(_grouped(packets, _FILE_PAGE_S))
    pages.append(writer.page([encode_tags()], 0, is_last=not groups))
    granule = 0
    for number, group in enumerate(groups, start=1):
        granule += sum(map(packet_granules, group))
        pages.append(writer.page(group, granule, is_last=number == len(groups)))
    return b"".join(pages)


def _grouped(packets: Iterable[bytes], seconds: float) -> Iterator[list[bytes]]:
    """Yield runs of packets of at most `seconds` (or one packet) that fit into one page."""
    limit = round(seconds * GRANULES_PER_S)
    group: list[bytes] = []
    length = segments = 0
    for packet in packets:
        granules, laced = packet_granules(packet), segments_of(packet)
        if group and (length + granules > limit or segments + laced > MAX_SEGMENTS):
            yield group
            group, length, segments = [], 0, 0
        group.append(packet)
        length += granules
        segments += laced
    if group:
        yield group
