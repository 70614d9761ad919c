"""What clients of REST APIs by httpx share: where a key may go, and how a connection is opened."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from plexctl.errors import ConfigurationError, CredentialsError, ExtraMissingError, NoCredentialsError
from plexctl_providers._common.loopback import is_private_way

if TYPE_CHECKING:
    import httpx


_AUTHORITY = re.compile(r"[A-Za-z0-9._-]+(:\d{1,5})?|\[[0-9A-Fa-f:.]+\](:\d{1,5})?")
"""Host and port, nobody's name or password."""


def is_trustworthy(url: str) -> bool:
    """Tell whether a key may be sent to the API at that address, which has no query: nobody on the way reads it."""
    if not is_private_way(url):
        return False
    parts = urlsplit(url)
    return bool(_AUTHORITY.fullmatch(parts.netloc)) and not parts.query + parts.fragment


def key_in(environment: Mapping[str, str], variable: str, hint: str) -> str:
    """Return an API key. Raises CredentialsError when there is none, or one that no header carries."""
    key = environment.get(variable, "").strip()
    if not key:
        raise NoCredentialsError(f"{variable} is not set", hint=hint)
    if not key.isascii() or not key.isprintable() or " " in key:
        raise CredentialsError(f"{variable} has characters that no key has", hint=hint)
    return key


def open_http(base: str, key: str, environment: Mapping[str, str], provider: str) -> httpx.Client:
    """Return a client of an address that is trustworthy. Nothing is sent yet.

    Raises ExtraMissingError, ConfigurationError for a proxy or certificates that cannot be used.
    """
    library = httpx_for(provider)
    is_here = base.startswith("http://")
    try:
        opened: httpx.Client = library.Client(
            base_url=base,
            headers={"Authorization": f"Bearer {key}", "User-Agent": "plexctl"},
            verify=not is_here and _authorities(environment),
            proxy=None if is_here else environment.get("HTTPS_PROXY") or environment.get("https_proxy"),
            trust_env=False,
            # Nobody closes an adapter, so that no connection is kept: calls are seconds apart.
            limits=library.Limits(max_keepalive_connections=0),
        )
    except (ValueError, ImportError, library.InvalidURL) as error:
        words = f"HTTPS_PROXY is not usable ({type(error).__name__})"
        raise ConfigurationError(words, hint="give http://HOST:PORT, or unset it") from None
    return opened


def parsed(answer: httpx.Response) -> object:
    """Return an answer's JSON; None for what is none, or has text that cannot be written down."""
    try:
        found: object = json.loads(answer.content)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return found


def httpx_for(provider: str) -> Any:
    """Import httpx. Raises ExtraMissingError with the extra of that provider."""
    try:
        import httpx
    except ModuleNotFoundError as error:
        words = f"provider {provider} needs the package {error.name}, which is not installed"
        raise ExtraMissingError(words, hint=f"pip install 'plexctl[{provider}]'") from error
    return httpx


def _authorities(environment: Mapping[str, str]) -> Any:
    import ssl

    import certifi

    own = environment.get("SSL_CERT_FILE")
    try:
        return ssl.create_default_context(cafile=own or certifi.where())
    except OSError as error:
        words = f"SSL_CERT_FILE={own!r} has no certificates that can be read ({type(error).__name__})"
        raise ConfigurationError(words, hint="name a file in PEM, or unset it") from None
