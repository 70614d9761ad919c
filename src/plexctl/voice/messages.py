"""The message kinds: the first byte of every binary WebSocket message.

Source: NVIDIA/personaplex `client/src/protocol` and `moshi/moshi/server.py` at 3428dfd. The server sends only
HANDSHAKE, AUDIO and TEXT and understands only AUDIO; the other kinds exist in the web client.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Kind(IntEnum):
    """What a message carries."""

    HANDSHAKE = 0
    """Ready. PersonaPlex sends the single byte after its prompts are read; anything earlier is not readiness."""
    AUDIO = 1
    """Ogg/Opus bytes, 24 kHz mono: whole pages or parts of pages."""
    TEXT = 2
    """A piece of what the model says, UTF-8."""
    CONTROL = 3
    METADATA = 4
    ERROR = 5
    PING = 6


@dataclass(frozen=True, slots=True)
class Message:
    """One message: its kind and the bytes behind it."""

    kind: Kind
    payload: bytes


def parse(data: bytes) -> Message | None:
    """Return the message in `data`, or None when it is empty or of no known kind."""
    if not data or data[0] > Kind.PING:
        return None
    return Message(Kind(data[0]), data[1:])


def encode(kind: Kind, payload: bytes = b"") -> bytes:
    """Return the bytes of a message."""
    return bytes((kind,)) + payload
