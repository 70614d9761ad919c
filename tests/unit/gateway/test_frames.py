from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexctl.gateway.frames import (
    CloseCode,
    FrameReader,
    Opcode,
    Received,
    close_code_of,
    encode_close,
    encode_frame,
)

MESSAGES = st.lists(st.tuples(st.sampled_from([Opcode.BINARY, Opcode.PING, Opcode.PONG]), st.binary(max_size=125)))


@given(MESSAGES, st.lists(st.integers(1, 40)), st.booleans())
def test_how_the_bytes_are_cut_does_not_matter(
    messages: list[tuple[Opcode, bytes]],
    cuts: list[int],
    is_masked: bool,  # noqa: FBT001 - given by hypothesis
) -> None:
    """What one side encodes the other reads, in order, in any split."""
    data = b"".join(encode_frame(opcode, payload, is_masked=is_masked) for opcode, payload in messages)
    reader = FrameReader(expects_mask=is_masked, max_message_size=1000)
    received: list[Received] = []
    position = 0
    for size in [*cuts, len(data)]:
        received += reader.feed(data[position : position + size])
        position += size
    assert reader.violation is None
    assert received == [Received(*message) for message in messages]


@given(st.binary(max_size=2000))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No input raises, and after a violation nothing more comes out."""
    reader = FrameReader(expects_mask=True, max_message_size=1000)
    reader.feed(data)
    if reader.violation is not None:
        assert reader.feed(encode_frame(Opcode.PING, b"x", is_masked=True)) == []


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536, 70000])
def test_every_form_of_length_is_read(size: int) -> None:
    """The reader takes what the encoder writes at every boundary of the length's forms."""
    reader = FrameReader(expects_mask=True, max_message_size=100_000)
    data = encode_frame(Opcode.BINARY, bytes(size), is_masked=True)
    assert reader.feed(data) == [Received(Opcode.BINARY, bytes(size))]


def test_what_came_before_a_violation_is_still_given() -> None:
    """A good frame in front of a bad one is not lost."""
    reader = FrameReader(expects_mask=False, max_message_size=200)
    assert reader.feed(encode_frame(Opcode.BINARY, b"ok") + encode_frame(Opcode.BINARY, bytes(201))) == [
        Received(Opcode.BINARY, b"ok")
    ]
    assert reader.violation is not None
    assert reader.violation.code is CloseCode.TOO_BIG


def test_close_reasons_are_cut_at_a_letter() -> None:
    """A reason too long for a control frame stays valid UTF-8."""
    reader = FrameReader(expects_mask=False, max_message_size=200)
    (close,) = reader.feed(encode_close(1011, "\N{SNOWMAN}" * 100))
    assert reader.violation is None
    assert close_code_of(close.payload) == 1011
    assert close_code_of(b"") == 1005
