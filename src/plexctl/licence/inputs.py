"""What may be asked for: repository, revision and endpoint, checked before anything is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import urlsplit

from plexctl.errors import ConfigurationError, UsageError
from plexctl.licence.states import WEBSITE, similar_repository

ENDPOINT_VARIABLE = "HF_ENDPOINT"
OFFLINE_VARIABLE = "HF_HUB_OFFLINE"
_REPOSITORY = re.compile(r"(?=[^/]*/)(?!.*(?:--|\.\.))[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_HEX = re.compile(r"[0-9a-fA-F]{20,}")
_COMMIT_DIGITS = 40
_LONGEST = 96
_NOT_IN_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\\ud800-\udfff]|\.\.|@\{|//|/\.|\.lock(?:/|$)|^[-/.]|[/.]$")
"""What git-check-ref-format forbids, and what looks like a flag."""
_LONGEST_REF = 250
_TRUE = frozenset({"1", "on", "yes", "true"})
"""What huggingface_hub takes for yes (its constants.py)."""


def repository_name(text: str) -> str:
    """Return `owner/name`. Raises UsageError for anything else, with the nearest known name."""
    if len(text) <= _LONGEST and _REPOSITORY.fullmatch(text) and not text.endswith((".git", ".", "-")):
        return text
    name = text.removeprefix(f"{WEBSITE}/").strip("/")
    is_name = name != text and _REPOSITORY.fullmatch(name)
    near = f"; did you mean {name!r}?" if is_name else similar_repository(name)
    raise UsageError(f"--repo {text[:120]!r} is no repository{near}", hint="write owner/name as the Hub does")


def revision_name(text: str | None, flag: str = "--revision") -> str | None:
    """Return a commit in lower case, or the name of a branch or tag. Raises UsageError."""
    if text is None:
        return None
    if _HEX.fullmatch(text):
        if len(text) == _COMMIT_DIGITS:
            return text.lower()
        words = f"{flag} {text[:80]!r} has {len(text)} hexadecimal digits, and a commit has {_COMMIT_DIGITS}"
        raise UsageError(words, hint="copy the whole commit, or name a branch or tag such as main")
    if not text or text == "@" or len(text) > _LONGEST_REF or _NOT_IN_REF.search(text):
        words = f"{flag} {text[:80]!r} is neither a commit nor the name of a branch or tag"
        raise UsageError(words, hint="write 40 hexadecimal digits, or a name such as main")
    return text


def endpoint(environ: Mapping[str, str]) -> str:
    """Return the Hub's address: HF_ENDPOINT, or huggingface.co.

    Raises ConfigurationError for one that is no address, carries a password, or would send a token unencrypted to
    another machine.
    """
    given = environ.get(ENDPOINT_VARIABLE) or WEBSITE
    try:
        url = urlsplit(given)
        host, _ = url.hostname, url.port
    except ValueError:
        host, url = None, urlsplit("")
    if not host or url.scheme not in ("http", "https") or url.query or url.fragment or not given.isprintable():
        raise ConfigurationError(
            f"{ENDPOINT_VARIABLE} is no address of a Hub", hint=f"unset it, or set it to {WEBSITE}"
        )
    if url.username is not None or url.password is not None:
        raise ConfigurationError(f"{ENDPOINT_VARIABLE} carries a user name or a password", hint="leave them out of it")
    if url.scheme == "http" and not is_loopback(host):
        words = f"{ENDPOINT_VARIABLE} is http://{host}: the token would travel unencrypted"
        raise ConfigurationError(words, hint="http is for this machine only: use https")
    return given.rstrip("/")


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine."""
    try:
        return ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_offline(environ: Mapping[str, str]) -> bool:
    """Tell whether HF_HUB_OFFLINE keeps huggingface_hub from the network."""
    return environ.get(OFFLINE_VARIABLE, "").lower() in _TRUE
