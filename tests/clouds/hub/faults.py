"""What can go wrong at the loopback Hub: an answer of one's own, a delay, or a connection that is cut."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass
class Fault:
    """Strikes the requests whose `METHOD /path?query` matches; `times` None means always.

    With neither `status` nor `raw` nor `reset` the true answer is given, late by `delay_s`, and its file as said here.
    """

    pattern: str = ""
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes | None = None
    """These bytes instead of an HTTP answer; then the connection is closed."""
    reset: bool = False
    """Cut the connection with a RST."""
    delay_s: float = 0.0
    drip_s: float = 0.0
    """Send the bytes of `raw` one by one, each so much later."""
    cut_after: int | None = None
    """Send so many bytes of the file, then cut the connection."""
    is_wrong: bool = False
    """Send a file of the right size with wrong bytes."""
    ignores_range: bool = False
    """Answer with the whole file whatever was asked for."""
    bytes_per_s: float | None = None
    """Send the file no faster than this."""
    times: int | None = None

    def strikes(self, line: str) -> bool:
        """Tell whether it strikes this request; counts down."""
        if self.times == 0 or not re.search(self.pattern, line):
            return False
        if self.times is not None:
            self.times -= 1
        return True


def rate_limited(reset_s: int = 55, pattern: str = "", times: int | None = None) -> Fault:
    """Return the Hub's own 429, with the headers that it sends (draft-ietf-httpapi-ratelimit-headers-09)."""
    headers = {
        "ratelimit": f'"api";r=0;t={reset_s}',
        "ratelimit-policy": '"fixed window";"api";q=500;w=300',
        "Content-Type": "application/json",
    }
    body = b'{"error":"We had to rate limit your IP."}'
    return Fault(pattern, status=429, headers=headers, body=body, times=times)
