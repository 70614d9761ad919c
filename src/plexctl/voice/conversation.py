"""One conversation seen from the caller's side, without I/O: messages in, events out.

States: waiting for the handshake, then talking. Audio is counted by the packets' own durations, never by granule
positions (PersonaPlex writes wrong ones), and the first audio is the first page with packets, since the two
header pages come before anything was said.
"""

from __future__ import annotations

from dataclasses import dataclass

from plexctl.voice.messages import Kind, parse
from plexctl.voice.ogg import OggError, PacketReader
from plexctl.voice.opus import OpusError, is_header, packet_duration_s


class ProtocolError(ValueError):
    """The peer does not speak the voice protocol; the text says what it sent instead."""


@dataclass(frozen=True, slots=True)
class Handshake:
    """The engine has read its prompts and takes audio."""


@dataclass(frozen=True, slots=True)
class Audio:
    """Sound came: how many seconds (0 for header pages and parts of pages), and the Ogg bytes as they came."""

    seconds: float
    ogg: bytes
    packets: tuple[bytes, ...] = ()
    """The Opus packets that these bytes completed, headers left out."""


@dataclass(frozen=True, slots=True)
class Text:
    """A piece of what the model says."""

    piece: str


@dataclass(frozen=True, slots=True)
class Ignored:
    """A message that carries nothing for a caller: control, metadata, ping, or of an unknown kind."""

    kind: int | None


Event = Handshake | Audio | Text | Ignored


class Conversation:
    """Feed it every binary message of one connection, in order."""

    def __init__(self) -> None:
        self.is_talking = False
        """True once the handshake has come."""
        self.heard_s = 0.0
        """Seconds of audio heard so far."""
        self._ogg = PacketReader()

    def receive(self, data: bytes) -> Event:
        """Return what `data` means. Raises ProtocolError for audio before the handshake or broken audio."""
        message = parse(data)
        if message is None:
            return Ignored(data[0] if data else None)
        if message.kind is Kind.HANDSHAKE:
            self.is_talking = True
            return Handshake()
        if message.kind is Kind.AUDIO:
            return self._audio(message.payload)
        if message.kind is Kind.TEXT:
            return Text(message.payload.decode("utf-8", errors="replace"))
        return Ignored(message.kind)

    def _audio(self, ogg: bytes) -> Audio:
        if not self.is_talking:
            raise ProtocolError("audio came before the handshake")
        try:
            packets = tuple(packet for packet in self._ogg.feed(ogg) if not is_header(packet))
            seconds = sum(map(packet_duration_s, packets))
        except (OggError, OpusError) as error:
            raise ProtocolError(f"broken audio: {error}") from error
        self.heard_s += seconds
        return Audio(seconds, ogg, packets)
