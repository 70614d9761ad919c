"""What happens to audio that a caller sends too early: only the stream's two header pages are kept.

PersonaPlex swallows whatever comes before its handshake, headers included, and then cannot decode the rest. So the
gateway holds OpusHead and OpusTags back and sends them first; older sound is dropped, as upstream drops it. A page
cut in two by the handshake is completed before whole messages pass again.
"""

from __future__ import annotations

from plexctl.voice import OggError, OggReader, Page, is_header

_MAX_HEADER_PAGES = 2


class Preamble:
    """Feed it the Ogg bytes of each message until it `is_done`."""

    def __init__(self) -> None:
        self.is_done = False
        """True when messages may pass untouched."""
        self._is_open = False
        self._reader = OggReader()
        self._headers: list[bytes] = []

    def open(self) -> bytes:
        """Return the header pages that are to be sent first (may be empty), now that the handshake has come."""
        self._is_open = True
        self.is_done = self._reader.held_bytes == 0
        return b"".join(self._headers)

    def feed(self, ogg: bytes) -> bytes:
        """Return what of `ogg` is to be sent now: nothing before `open`, then whole pages."""
        pages = self._pages(ogg)
        if self._is_open:
            self.is_done = self._reader.held_bytes == 0
            return b"".join(page.raw for page in pages)
        for page in pages:
            if is_header(page.body) and len(self._headers) < _MAX_HEADER_PAGES:
                self._headers.append(page.raw)
        return b""

    def _pages(self, ogg: bytes) -> list[Page]:
        try:
            return self._reader.feed(ogg)
        except OggError:
            return []
