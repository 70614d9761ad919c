"""A conversation means the same however messages are cut, and rubbish raises ProtocolError and nothing else."""

from __future__ import annotations

import contextlib
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexctl import probe
from plexctl.voice import Audio, Conversation, Handshake, Ignored, Kind, Message, ProtocolError, Text, encode, parse

VOICE = Path(probe.__file__).with_name("voice.opus").read_bytes()


@given(st.sampled_from(Kind), st.binary(max_size=50))
def test_messages_read_back(kind: Kind, payload: bytes) -> None:
    """Encoding and parsing are inverse."""
    assert parse(encode(kind, payload)) == Message(kind, payload)


@given(st.lists(st.integers(0, len(VOICE)), max_size=30))
def test_any_split_counts_the_same_seconds(places: list[int]) -> None:
    """Seconds and packets do not depend on where the server cuts its Ogg bytes."""
    talk = Conversation()
    talk.receive(b"\x00")
    edges = [0, *sorted(places), len(VOICE)]
    packets = 0
    for start, end in pairwise(edges):
        event = talk.receive(b"\x01" + VOICE[start:end])
        assert isinstance(event, Audio)
        packets += len(event.packets)
    assert packets == 301
    assert talk.heard_s == pytest.approx(6.02)


@given(st.lists(st.binary(max_size=80), max_size=10))
def test_rubbish_raises_protocol_error_only(messages: list[bytes]) -> None:
    """No message makes it raise anything else."""
    talk = Conversation()
    for message in messages:
        with contextlib.suppress(ProtocolError):
            talk.receive(message)


def test_events_are_what_was_sent() -> None:
    """Handshake, text, and what means nothing to a caller."""
    talk = Conversation()
    assert talk.receive(b"") == Ignored(None)
    assert talk.receive(b"\x63") == Ignored(0x63)
    assert talk.receive(b"\x06") == Ignored(Kind.PING)
    assert talk.receive(b"\x00") == Handshake()
    assert talk.receive("\x02Grüße".encode()) == Text("Grüße")
    assert talk.receive(b"\x02\xff") == Text("\ufffd")


@pytest.mark.parametrize("messages", [[b"\x01OggS"], [b"\x00", b"\x01RIFF"]])
def test_audio_too_early_or_broken_is_an_error(messages: list[bytes]) -> None:
    """Audio before the handshake, or audio that is no Ogg, is named."""
    *before, last = messages
    talk = Conversation()
    for message in before:
        talk.receive(message)
    with pytest.raises(ProtocolError):
        talk.receive(last)
