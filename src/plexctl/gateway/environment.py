"""One variable of the environment at a time, checked: text, numbers, seconds, flags, folders, files, hosts of APIs.

Every bad value is a SettingsError that names the variable and how to mend it.
"""

from __future__ import annotations

import ipaddress
import math
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"", "0", "false", "no", "off"})
_MOST_DIGITS = 20


class SettingsError(ValueError):
    """A variable's value cannot be used; the text names the variable and the fix."""


def is_loopback(host: str) -> bool:
    """Tell whether `host` names this machine to itself only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Reader:
    """Reads variables. An unset or blank one is its default; a bad one raises SettingsError."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = environment

    def text(self, name: str, default: str = "") -> str:
        """Return a text without the space around it."""
        return self.environment.get(name, "").strip() or default

    def whole(self, name: str, default: int | None, *, low: int, high: int) -> int | None:
        """Return a whole number from `low` to `high`."""
        raw = self.text(name)
        if not raw:
            return default
        if not (raw.isascii() and raw.isdigit() and len(raw) <= _MOST_DIGITS and low <= int(raw) <= high):
            raise SettingsError(f"{name}={raw!r} is not usable: give a whole number from {low} to {high}")
        return int(raw)

    def seconds(self, name: str, default: float | None) -> float | None:
        """Return a number of seconds above 0."""
        raw = self.text(name)
        if not raw:
            return default
        try:
            value = float(raw)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise SettingsError(f"{name}={raw!r} is not usable: give seconds above 0, or leave it out")
        return value

    def flag(self, name: str) -> bool:
        """Return what 1 or 0 says; unset is False."""
        raw = self.text(name).lower()
        if raw not in _TRUE | _FALSE:
            raise SettingsError(f"{name}={raw!r} is not usable: give 1 or 0")
        return raw in _TRUE

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        """Return one of `choices`, empty when unset."""
        raw = self.text(name)
        if raw and raw not in choices:
            raise SettingsError(f"{name}={raw!r} is not usable: give {' or '.join(choices)}, or leave it out")
        return raw

    def folder(self, name: str) -> Path | None:
        """Return an existing folder; None when unset or `none`."""
        raw = self.text(name)
        if not raw or raw == "none":
            return None
        if not Path(raw).is_dir():
            raise SettingsError(f"{name}={raw!r} is no folder: make it, or leave the variable out")
        return Path(raw)

    def file(self, name: str) -> str:
        """Return the path of an existing file, empty when unset."""
        raw = self.text(name)
        if raw and not Path(raw).is_file():
            raise SettingsError(f"{name}={raw!r} does not exist: give the path of an existing file")
        return raw

    def api(self, name: str, default: str) -> str:
        """Return an API's address: scheme and host, no path. A key goes there: plain HTTP only on the loopback."""
        raw = self.text(name, default).rstrip("/")
        if not _is_api(raw):
            raise SettingsError(f"{name} is no API's address: give https://HOST, or http on the loopback")
        return raw


def _is_api(address: str) -> bool:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        is_whole = address == f"{parts.scheme}://{parts.netloc}" and parts.port != 0 and "@" not in parts.netloc
    except ValueError:
        return False
    return is_whole and bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host)))
