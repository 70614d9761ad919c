"""Ogg pages and packets are the same however the bytes are cut, and rubbish raises OggError and nothing else."""

from __future__ import annotations

import contextlib
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from plexctl import probe
from plexctl.voice.ogg import MAX_PACKET_SIZE, MAX_PAGE_SIZE, OggError, OggReader, PacketReader
from plexctl.voice.ogg_writer import OggWriter, checksum

VOICE = Path(probe.__file__).with_name("voice.opus").read_bytes()
packets_in_pages = st.lists(st.lists(st.binary(max_size=700), min_size=1, max_size=8), min_size=1, max_size=6)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at places taken modulo their length."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def stream_of(pages: list[list[bytes]]) -> bytes:
    """Write pages of packets as one stream."""
    writer = OggWriter(7)
    return b"".join(writer.page(packets, number) for number, packets in enumerate(pages))


def spanning(packet: bytes, body_sizes: list[int]) -> bytes:
    """Write one packet over several pages by hand: our own writer never does that."""
    raw, position = b"", 0
    lacing = b"\xff" * (len(packet) // 255) + bytes((len(packet) % 255,))
    for number, size in enumerate([*body_sizes, len(lacing)]):
        part, lacing = lacing[:size], lacing[size:]
        if not part:
            break
        body = packet[position : position + sum(part)]
        position += len(body)
        flags = 0x01 if number else 0x02
        head = b"OggS\x00" + bytes((flags,)) + bytes(8) + (7).to_bytes(4, "little") + bytes(8)
        raw += head + bytes((len(part),)) + part + body
    return raw


@given(packets_in_pages, st.lists(st.integers(min_value=0), max_size=20))
def test_any_split_gives_the_same_pages_and_packets(pages: list[list[bytes]], places: list[int]) -> None:
    """What is read depends on the bytes, never on how they were cut."""
    data = stream_of(pages)
    page_reader, packet_reader = OggReader(), PacketReader()
    raw: list[bytes] = []
    packets: list[bytes] = []
    for piece in cut(data, places):
        raw += [page.raw for page in page_reader.feed(piece)]
        packets += packet_reader.feed(piece)
        assert page_reader.held_bytes < MAX_PAGE_SIZE
    assert b"".join(raw) == data
    assert len(raw) == len(pages)
    assert packets == [packet for page in pages for packet in page]


@given(
    st.binary(max_size=3000),
    st.lists(st.integers(1, 5), max_size=8),
    st.lists(st.integers(min_value=0), max_size=12),
)
def test_a_packet_over_many_pages_and_messages_is_whole(
    packet: bytes, body_sizes: list[int], places: list[int]
) -> None:
    """A packet that goes on in a later page of a later message is neither lost nor cut."""
    reader = PacketReader()
    found = [one for piece in cut(spanning(packet, body_sizes), places) for one in reader.feed(piece)]
    assert found == [packet]


def test_a_packet_without_its_beginning_is_dropped() -> None:
    """The end of a packet that began before we listened is no packet."""
    whole = spanning(b"x" * 600, [1])
    second_page = whole[whole.index(b"OggS", 4) :]
    reader = PacketReader()
    assert reader.feed(second_page) == []
    assert reader.feed(stream_of([[b"next"]])) == [b"next"]


def test_a_packet_that_is_not_continued_is_dropped() -> None:
    """A page that does not continue the open packet ends it."""
    whole = spanning(b"x" * 600, [1])
    first_page = whole[: whole.index(b"OggS", 4)]
    reader = PacketReader()
    assert reader.feed(first_page) == []
    assert reader.feed(stream_of([[b"next"]])) == [b"next"]
    assert reader.held_bytes == 0


@settings(max_examples=200)
@given(st.lists(st.one_of(st.binary(max_size=300), st.just(VOICE[:200]), st.just(b"OggS\x00")), max_size=10))
def test_rubbish_raises_ogg_error_only(pieces: list[bytes]) -> None:
    """No bytes make the readers raise anything else or keep more than a page and a packet."""
    reader = PacketReader()
    for piece in pieces:
        with contextlib.suppress(OggError):
            reader.feed(piece)
        assert reader.held_bytes < MAX_PAGE_SIZE + MAX_PACKET_SIZE + 1


def test_reading_goes_on_after_rubbish() -> None:
    """An error drops what was read; the next whole page counts again."""
    reader = PacketReader()
    with pytest.raises(OggError, match="OggS"):
        reader.feed(b"rubbish")
    assert reader.feed(stream_of([[b"packet"]])) == [b"packet"]


def test_an_endless_packet_is_refused() -> None:
    """Pages that only ever continue one packet cannot grow memory."""
    reader = PacketReader()
    page = b"OggS\x00\x01" + bytes(8) + (7).to_bytes(4, "little") + bytes(8) + b"\xff" + b"\xff" * 255
    start = page[:5] + b"\x02" + page[6:]
    body = b"x" * 255 * 255
    reader.feed(start + body)
    reader.feed(page + body)
    with pytest.raises(OggError, match="131072"):
        reader.feed(page + body)
    assert reader.held_bytes == 0


def test_single_bytes_take_linear_time() -> None:
    """Twice the bytes, fed one by one, take about twice the time, not four times."""

    def seconds(data: bytes) -> float:
        reader = PacketReader(max_packet_size=len(data))
        started = time.process_time()
        for byte in data:
            reader.feed(bytes((byte,)))
        return time.process_time() - started

    big = spanning(b"x" * 60_000, [])
    once, twice = min(seconds(big) for _ in range(3)), min(seconds(big * 2) for _ in range(3))
    assert twice < 3.2 * once


def test_checksums_are_those_of_libogg() -> None:
    """Our checksum of opusenc's own pages is the one that libogg wrote into them."""
    pages = OggReader().feed(VOICE)
    assert len(pages) > 100
    for page in pages:
        blank = page.raw[:22] + bytes(4) + page.raw[26:]
        assert checksum(blank) == int.from_bytes(page.raw[22:26], "little")


def test_a_page_holds_no_more_than_it_can() -> None:
    """Packets that need more than 255 lacing values are refused, not cut."""
    with pytest.raises(OggError, match="do not fit"):
        OggWriter(1).page([b"x" * 255 * 255], 0)
