"""How long an Opus packet sounds, from its TOC byte alone (RFC 6716, section 3.1): no codec needed."""

from __future__ import annotations

_FRAME_COUNT_MASK = 0x3F
_MAX_PACKET_S = 0.120
_SILK_S = (0.010, 0.020, 0.040, 0.060)
_HYBRID_S = (0.010, 0.020)
_CELT_S = (0.0025, 0.005, 0.010, 0.020)
_FIRST_HYBRID_CONFIG = 12
_FIRST_CELT_CONFIG = 16
_ARBITRARY_COUNT = 3


class OpusError(ValueError):
    """The bytes are not an Opus packet."""


def is_header(packet: bytes) -> bool:
    """Tell whether a packet is one of the two header packets of an Ogg/Opus stream (RFC 7845)."""
    return packet.startswith((b"OpusHead", b"OpusTags"))


def packet_duration_s(packet: bytes) -> float:
    """Return the seconds of sound in a packet, 0 < s <= 0.12. Raises OpusError for what is no Opus packet."""
    if not packet:
        raise OpusError("an empty Opus packet")
    duration = _frame_duration_s(packet[0] >> 3) * _frame_count(packet)
    if not 0 < duration <= _MAX_PACKET_S + 1e-9:
        raise OpusError(f"an Opus packet of {duration:.4f} s: at most {_MAX_PACKET_S} s are allowed")
    return duration


def _frame_duration_s(config: int) -> float:
    if config < _FIRST_HYBRID_CONFIG:
        return _SILK_S[config % 4]
    if config < _FIRST_CELT_CONFIG:
        return _HYBRID_S[config % 2]
    return _CELT_S[config % 4]


def _frame_count(packet: bytes) -> int:
    code = packet[0] & 0x03
    if code < _ARBITRARY_COUNT:
        return 1 if code == 0 else 2
    if len(packet) < 2:  # noqa: PLR2004 - TOC byte and frame count byte
        raise OpusError("an Opus packet without its frame count")
    return packet[1] & _FRAME_COUNT_MASK
