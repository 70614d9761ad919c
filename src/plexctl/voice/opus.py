"""Opus packets without a codec: how long one sounds (RFC 6716, section 3.1) and the two headers (RFC 7845)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

GRANULES_PER_S = 48_000
"""Ogg/Opus counts time in 48 kHz samples, whatever rate the sound was recorded at (RFC 7845, section 4)."""
_FRAME_COUNT_MASK = 0x3F
_MAX_PACKET = 5_760
_SILK = (480, 960, 1_920, 2_880)
_HYBRID = (480, 960)
_CELT = (120, 240, 480, 960)
_FIRST_HYBRID_CONFIG = 12
_FIRST_CELT_CONFIG = 16
_ARBITRARY_COUNT = 3
_HEAD_MAGIC, _TAGS_MAGIC = b"OpusHead", b"OpusTags"
_HEAD = struct.Struct("<8sBBHIhB")
_VENDOR = b"plexctl"


class OpusError(ValueError):
    """The bytes are not an Opus packet, or not one that a voice server takes."""


def is_header(packet: bytes) -> bool:
    """Tell whether a packet is one of the two header packets of an Ogg/Opus stream (RFC 7845)."""
    return packet.startswith((_HEAD_MAGIC, _TAGS_MAGIC))


def packet_granules(packet: bytes) -> int:
    """Return the 48 kHz samples in a packet, 1 to 5,760. Raises OpusError for what is no Opus packet."""
    if not packet:
        raise OpusError("an empty Opus packet")
    granules = _frame_granules(packet[0] >> 3) * _frame_count(packet)
    if not 0 < granules <= _MAX_PACKET:
        raise OpusError(f"an Opus packet of {granules / GRANULES_PER_S:.4f} s: 0 < s <= 0.12 is allowed")
    return granules


def packet_duration_s(packet: bytes) -> float:
    """Return the seconds of sound in a packet, 0 < s <= 0.12. Raises OpusError for what is no Opus packet."""
    return packet_granules(packet) / GRANULES_PER_S


def _frame_granules(config: int) -> int:
    if config < _FIRST_HYBRID_CONFIG:
        return _SILK[config % 4]
    if config < _FIRST_CELT_CONFIG:
        return _HYBRID[config % 2]
    return _CELT[config % 4]


def _frame_count(packet: bytes) -> int:
    code = packet[0] & 0x03
    if code < _ARBITRARY_COUNT:
        return 1 if code == 0 else 2
    if len(packet) < 2:  # noqa: PLR2004 - TOC byte and frame count byte
        raise OpusError("an Opus packet without its frame count")
    return packet[1] & _FRAME_COUNT_MASK


@dataclass(frozen=True, slots=True)
class OpusHead:
    """What a stream says of itself: channels, samples to skip at 48 kHz, the rate of the original in Hz."""

    channels: int = 1
    pre_skip: int = 312
    rate_hz: int = 24_000

    @classmethod
    def parse(cls, packet: bytes) -> OpusHead:
        """Read an identification header. Raises OpusError for anything else."""
        if len(packet) < _HEAD.size or not packet.startswith(_HEAD_MAGIC):
            raise OpusError("no OpusHead: this is not an Ogg/Opus stream")
        _, version, channels, pre_skip, rate_hz, _, family = _HEAD.unpack_from(packet)
        if version > 15 or family != 0 or channels not in (1, 2):  # noqa: PLR2004 - RFC 7845, section 5.1
            raise OpusError(f"an OpusHead of version {version}, mapping {family}, {channels} channels")
        return cls(channels, pre_skip, rate_hz)

    def encode(self) -> bytes:
        """Return the identification header's bytes."""
        return _HEAD.pack(_HEAD_MAGIC, 1, self.channels, self.pre_skip, self.rate_hz, 0, 0)


def encode_tags() -> bytes:
    """Return the smallest comment header: a vendor, no comments."""
    return b"".join((_TAGS_MAGIC, struct.pack("<I", len(_VENDOR)), _VENDOR, struct.pack("<I", 0)))
