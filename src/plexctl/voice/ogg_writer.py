"""Ogg pages (RFC 3533) made from packets: one logical stream with right sequence, granules and checksums.

Both releases of sphn read through Rust's `ogg` crate, which refuses a page whose checksum is wrong; therefore a
looped or cut recording is always written anew, never spliced from old pages.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

from plexctl.voice.ogg import OggError

_FIRST, _LAST = 0x02, 0x04
_HEADER = struct.Struct("<4sBBqIII")
_CHECKSUM_AT = 22
_ALL_ONES = 0xFFFFFFFF
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
MAX_SEGMENTS = 255
"""Lacing values in one page: a packet of n bytes takes n // 255 + 1 of them."""


def checksum(page: bytes) -> int:
    """Return the CRC-32 of a page whose checksum field is zero (RFC 3533: polynomial 04c11db7, nothing inverted).

    It is zlib's CRC with every bit mirrored and without zlib's inversions, so zlib does the work.
    """
    mirrored = zlib.crc32(page.translate(_MIRRORED), _ALL_ONES) ^ _ALL_ONES
    return int.from_bytes(mirrored.to_bytes(4, "little").translate(_MIRRORED), "big")


def segments_of(packet: bytes) -> int:
    """Return how many lacing values a packet takes."""
    return len(packet) // 255 + 1


class OggWriter:
    """Writes one logical stream page by page; packets never span pages."""

    def __init__(self, serial: int) -> None:
        self._serial = serial
        self._sequence = 0

    def page(self, packets: Sequence[bytes], granule: int, *, is_last: bool = False) -> bytes:
        """Return the next page. `granule` counts 48 kHz samples up to the end of its last packet (RFC 7845).

        Raises OggError when the packets do not fit into one page.
        """
        lacing = bytearray()
        for packet in packets:
            full, rest = divmod(len(packet), 255)
            lacing += b"\xff" * full
            lacing.append(rest)
        if len(lacing) > MAX_SEGMENTS:
            raise OggError(f"packets of {sum(map(len, packets))} bytes do not fit into one page")
        flags = (0 if self._sequence else _FIRST) | (_LAST if is_last else 0)
        header = _HEADER.pack(b"OggS", 0, flags, granule, self._serial, self._sequence, 0)
        page = bytearray(b"".join((header, bytes((len(lacing),)), lacing, *packets)))
        page[_CHECKSUM_AT : _CHECKSUM_AT + 4] = checksum(bytes(page)).to_bytes(4, "little")
        self._sequence += 1
        return bytes(page)
