"""Known_hosts files as OpenSSH reads them (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from plexctl.errors import ConfigurationError
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.keys import public_half

REVOKED = "@revoked"
AUTHORITY = "@cert-authority"
_HASHED = "|1|"
_FIELDS = 3


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a marker or none, the names it is for, and the public key without its comment."""

    marker: str
    names: str
    public: str

    def is_for(self, name: str) -> bool:
        """Tell whether the line is for a host's name as `Destination.name` has it."""
        if self.names.startswith(_HASHED):
            return _is_hash_of(self.names, name)
        patterns = self.names.lower().split(",")
        if any(_matches(name, one[1:]) for one in patterns if one.startswith("!")):
            return False
        return any(_matches(name, one) for one in patterns if not one.startswith("!"))


def parse(text: str) -> list[Entry]:
    """Return the lines that make sense; as OpenSSH does, others are passed over."""
    return [entry for line in text.splitlines() if (entry := _entry(line)) is not None]


def line_for(destination: Destination, public: str) -> str:
    """Return the line, without its end, that makes a host known by this key. Raises ConfigurationError."""
    return f"{destination.name} {public_half(public)}"


def text_for(destination: Destination, keys: Iterable[str]) -> str:
    """Return a known_hosts file that believes these keys of one host."""
    return "".join(f"{line_for(destination, key)}\n" for key in keys)


def _entry(line: str) -> Entry | None:
    fields = line.split()
    marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
    if len(fields) < _FIELDS or fields[0].startswith("#") or marker not in {"", REVOKED, AUTHORITY}:
        return None
    try:
        return Entry(marker, fields[0], public_half(f"{fields[1]} {fields[2]}"))
    except ConfigurationError:
        return None


def _matches(name: str, pattern: str) -> bool:
    """Compare as OpenSSH does: `*` and `?` only; a bracket is part of `[host]:port`."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))


def _is_hash_of(hashed: str, name: str) -> bool:
    try:
        salt, expected = (base64.b64decode(part, validate=True) for part in hashed[len(_HASHED) :].split("|"))
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), expected)
