"""Where an endpoint is: a URL taken apart, with every mistake named and its fix. No I/O."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, replace
from typing import Self
from urllib.parse import SplitResult, parse_qsl, urlsplit

from plexctl.errors import UsageError

_SECURE = {"http": False, "ws": False, "https": True, "wss": True}
_SECRETS = frozenset({"token", "access_token"})
_EXAMPLE = "for example https://host.example or ws://127.0.0.1:8998/api/chat"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Scheme, host and what to ask it for. `host` has no brackets; `path` is never empty; `query` has no `?`."""

    is_secure: bool
    host: str
    port: int
    path: str = "/"
    query: str = ""

    @classmethod
    def parse(cls, url: str, default_path: str = "/") -> Self:
        """Read an http, https, ws or wss URL, or a bare host[:port] (http on the loopback, https elsewhere).

        Raises UsageError that says what is wrong and what to write.
        """
        text = url.strip()
        if not text or any(ord(sign) <= 32 or ord(sign) == 127 for sign in text):  # noqa: PLR2004 - ASCII
            raise UsageError(f"not a URL: {_shown(url)!r}", hint=f"write it without spaces, {_EXAMPLE}")
        split = _split(text)
        scheme = split.scheme.lower()
        if scheme not in _SECURE:
            raise UsageError(f"a URL cannot begin with {split.scheme}://", hint="use https, http, wss or ws")
        host = _host(split, url)
        is_secure = _SECURE[scheme]
        try:
            port = split.port if split.port is not None else (443 if is_secure else 80)
        except ValueError:
            port = 0
        if port == 0:
            raise UsageError(f"the port in {_shown(url)!r} is not a port", hint="ports are 1 to 65535")
        _refuse_token(split)
        path = split.path if split.path not in ("", "/") else default_path
        return cls(is_secure, host, port, path, split.query)

    @property
    def authority(self) -> str:
        """What the Host header says: brackets around IPv6, the port unless it is the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"

    @property
    def target(self) -> str:
        """What the request line asks for: path and query."""
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def is_loopback(self) -> bool:
        """True when the host names this machine."""
        return _is_loopback(self.host)

    def url(self, *, is_websocket: bool = False) -> str:
        """Return the URL as text."""
        scheme = ("wss" if self.is_secure else "ws") if is_websocket else "https" if self.is_secure else "http"
        return f"{scheme}://{self.authority}{self.target}"

    def at(self, path: str, query: str = "") -> Endpoint:
        """Return the same host with another path and query."""
        return replace(self, path=path, query=query)


def _split(text: str) -> SplitResult:
    try:
        if "://" in text:
            return urlsplit(text)
        address = text.partition("/")[0]
        if address.count(":") > 1 and not address.startswith("["):
            text = f"[{address}]{text[len(address) :]}"
        bare = urlsplit(f"//{text}")
        scheme = "http" if _is_loopback(bare.hostname or "") else "https"
        return bare._replace(scheme=scheme)
    except ValueError as error:
        raise UsageError(f"not a URL: {_shown(text)!r} ({error})", hint=f"write {_EXAMPLE}") from error


def _host(split: SplitResult, url: str) -> str:
    if split.username is not None or split.password is not None:
        raise UsageError("a URL must carry no user name or password", hint="pass the token with --token")
    if not split.hostname:
        raise UsageError(f"no host in {_shown(url)!r}", hint=f"write {_EXAMPLE}")
    try:
        host = split.hostname.encode("ascii" if split.hostname.isascii() else "idna").decode()
    except UnicodeError as error:
        raise UsageError(f"{split.hostname!r} is no host name", hint=f"write {_EXAMPLE}") from error
    if any(len(label) > 63 for label in host.split(".")) or len(host) > 253:  # noqa: PLR2004 - RFC 1035
        raise UsageError("the host name is too long", hint=f"write {_EXAMPLE}")
    return host


def _shown(url: str) -> str:
    """Return the part of what a user wrote that can be repeated: no query and no password, which may be secrets."""
    return url.partition("?")[0].rpartition("@")[2]


def _refuse_token(split: SplitResult) -> None:
    if any(name in _SECRETS for name, _ in parse_qsl(split.query, keep_blank_values=True)):
        raise UsageError(
            "a URL must carry no token: URLs end up in logs and shell histories", hint="pass it with --token"
        )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost" or host.lower().endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
