"""Opus durations are those of RFC 6716's tables, and headers those of RFC 7845."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexctl.voice.opus import OpusError, OpusHead, encode_tags, is_header, packet_duration_s

SILK_MS, HYBRID_MS, CELT_MS = (10, 20, 40, 60), (10, 20), (2.5, 5, 10, 20)
# RFC 6716, table 2: configurations 0-11 SILK, 12-15 hybrid, 16-31 CELT.
FRAME_MS = (*SILK_MS * 3, *HYBRID_MS * 2, *CELT_MS * 4)


@pytest.mark.parametrize("config", range(32))
@pytest.mark.parametrize(("code", "frames"), [(0, 1), (1, 2), (2, 2)])
def test_durations_follow_the_table(config: int, code: int, frames: int) -> None:
    """TOC byte alone: configuration times one frame or two."""
    packet = bytes((config << 3 | code,)) + b"frame"
    assert packet_duration_s(packet) == pytest.approx(FRAME_MS[config] * frames / 1000)


@pytest.mark.parametrize("config", range(32))
def test_counted_frames_stop_at_120_ms(config: int) -> None:
    """Code 3 carries its count; none, or more than 120 ms, is no Opus packet."""
    for count in range(64):
        packet = bytes((config << 3 | 3, count))
        if 0 < count * FRAME_MS[config] <= 120:
            assert packet_duration_s(packet) == pytest.approx(FRAME_MS[config] * count / 1000)
        else:
            with pytest.raises(OpusError):
                packet_duration_s(packet)


@given(st.binary(max_size=40))
def test_rubbish_raises_opus_error_only(packet: bytes) -> None:
    """Any bytes are a packet of 2.5 to 120 ms or an OpusError."""
    with contextlib.suppress(OpusError):
        assert 0.0025 <= packet_duration_s(packet) <= 0.12
    with contextlib.suppress(OpusError):
        OpusHead.parse(packet)


@given(st.sampled_from([1, 2]), st.integers(0, 0xFFFF), st.integers(0, 0xFFFFFFFF))
def test_a_head_reads_back(channels: int, pre_skip: int, rate_hz: int) -> None:
    """Encoding and parsing a header are inverse."""
    head = OpusHead(channels, pre_skip, rate_hz)
    assert OpusHead.parse(head.encode()) == head


def test_headers_are_told_from_sound() -> None:
    """Both header packets are headers; a frame is not."""
    assert is_header(OpusHead().encode())
    assert is_header(encode_tags())
    assert not is_header(b"\x48frame")
