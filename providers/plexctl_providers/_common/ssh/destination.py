"""Where one logs in: a user, a host and a port, as people write them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from plexctl.errors import ConfigurationError

PORT = 22
_LAST_PORT = 65535
_WRITTEN = re.compile(
    r"(?:(?P<user>[A-Za-z0-9_][\w.-]*\$?)@)?"
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+(?:%[\w.-]+)?|[A-Za-z0-9][\w.-]*)\]|(?P<plain>[A-Za-z0-9][\w.-]*))"
    r"(?::(?P<port>[0-9]{1,5}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Destination:
    """A host's name or address, without brackets; the user is the one of this computer where none is named."""

    host: str
    port: int = PORT
    user: str | None = None

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Read `user@host[:port]`; an IPv6 address stands in brackets. Raises ConfigurationError."""
        found = _WRITTEN.fullmatch(text.strip())
        port = int((found and found["port"]) or PORT)
        if found is None or not 0 < port <= _LAST_PORT:
            hint = "a host is named as gpu.example.org, user@192.0.2.7:2222 or user@[2001:db8::7]"
            raise ConfigurationError(f"{text!r} is not user@host[:port]", hint=hint)
        return cls(found["bracketed"] or found["plain"], port, found["user"])

    def __str__(self) -> str:
        user = "" if self.user is None else f"{self.user}@"
        port = "" if self.port == PORT else f":{self.port}"
        return f"{user}{self._bracketed}{port}"

    @property
    def name(self) -> str:
        """The name under which known_hosts files keep its key: `host`, or `[host]:port` for another port than 22."""
        host = self.host.lower()
        return host if self.port == PORT else f"[{host}]:{self.port}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host
