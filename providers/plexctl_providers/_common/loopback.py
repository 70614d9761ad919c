"""Whether a host is this machine: only there may an emulator be spoken to in the clear."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit


def is_loopback(host: str) -> bool:
    """Tell whether a host, as a URL has it, is `localhost` or an address of the loopback; no name is looked up."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def is_private_way(url: str) -> bool:
    """Tell whether nobody on the way reads what goes to a URL: https, or http that does not leave this machine."""
    try:
        parts = urlsplit(url)
        is_address = bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # half a bracket, or a port that is none
        return False
    return is_address and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")))
