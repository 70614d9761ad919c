"""Who may come in: the token by header, query or cookie, and no web page of another site.

The cookie holds an HMAC made with the token, never the token. Comparisons take constant time. It never says which
part of a credential was wrong, and logs none.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from enum import Enum
from urllib.parse import urlsplit

from plexctl.gateway.environment import is_loopback

COOKIE = "plexctl_session"
_COOKIE_PURPOSE = b"plexctl gateway session 1"


class Entry(Enum):
    """How a request got in, or why it did not."""

    OPEN = "open"
    TOKEN = "token"  # noqa: S105 - a word, not a secret
    COOKIE = "cookie"
    WRONG_TOKEN = "wrong token"  # noqa: S105 - a word, not a secret
    FOREIGN_PAGE = "foreign page"

    @property
    def is_in(self) -> bool:
        """True when the request may go on."""
        return self in (Entry.OPEN, Entry.TOKEN, Entry.COOKIE)


class Access:
    """The rules for one token; an empty token means open."""

    def __init__(self, token: str) -> None:
        self._token = token

    @property
    def is_open(self) -> bool:
        """True when no token is asked for."""
        return not self._token

    @property
    def cookie(self) -> str:
        """What `/login` sets: proof of the token, from which the token cannot be had."""
        return hmac.new(self._token.encode(), _COOKIE_PURPOSE, hashlib.sha256).hexdigest()

    def is_token(self, offered: str) -> bool:
        """Tell whether `offered` is the token."""
        return bool(self._token) and _is_same(offered, self._token)

    def judge(self, headers: Mapping[str, str], query_tokens: Sequence[str], cookies: Mapping[str, str]) -> Entry:
        """Return how the request gets in. A browser's own cookie, or no token at all, is good for own pages only."""
        if self._token:
            offered = [*query_tokens, *_bearer(headers)]
            if offered:
                return Entry.TOKEN if all(map(self.is_token, offered)) else Entry.WRONG_TOKEN
            if not _is_same(cookies.get(COOKIE, ""), self.cookie):
                return Entry.WRONG_TOKEN
        if not is_own_page(headers, needs_loopback=not self._token):
            return Entry.FOREIGN_PAGE
        return Entry.COOKIE if self._token else Entry.OPEN


def _bearer(headers: Mapping[str, str]) -> list[str]:
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    return [value.strip()] if scheme.lower() == "bearer" else []


def _is_same(offered: str, expected: str) -> bool:
    return hmac.compare_digest(offered.encode(errors="surrogateescape"), expected.encode())


def is_own_page(headers: Mapping[str, str], *, needs_loopback: bool) -> bool:
    """Tell whether a request comes from no web page or from one of this very host.

    An open gateway listens on the loopback, where another site can point a name of its own (DNS rebinding): there
    the host has to be a loopback name too.
    """
    origin = headers.get("Origin")
    if origin is None:
        return True
    host = urlsplit(origin).netloc.lower()
    own = {headers.get(name, "").lower() for name in ("Host", "X-Forwarded-Host")}
    if not host or host not in own:
        return False
    return not needs_loopback or is_loopback(urlsplit(origin).hostname or "")
