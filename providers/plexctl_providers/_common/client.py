"""What clients of REST APIs by httpx share: where a key may go, and how a connection is opened."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from plexctl.errors import CredentialsError, ExtraMissingError, NoCredentialsError
from plexctl_providers._common.loopback import is_loopback

if TYPE_CHECKING:
    import httpx


def is_trustworthy(url: str) -> bool:
    """Tell whether a key may be sent there: https, or http that does not leave this machine."""
    parts = urlsplit(url)
    host = parts.hostname
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host or "")))


def key_in(environment: Mapping[str, str], variable: str, hint: str) -> str:
    """Return an API key. Raises CredentialsError when there is none, or one that no header carries."""
    key = environment.get(variable, "").strip()
    if not key:
        raise NoCredentialsError(f"{variable} is not set", hint=hint)
    if not key.isascii() or not key.isprintable() or " " in key:
        raise CredentialsError(f"{variable} has characters that no key has", hint=hint)
    return key


def open_http(base: str, key: str, environment: Mapping[str, str], provider: str) -> httpx.Client:
    """Return a client of an address that is trustworthy. Nothing is sent yet. Raises ExtraMissingError."""
    library = httpx_for(provider)
    is_here = base.startswith("http://")
    opened: httpx.Client = library.Client(
        base_url=base,
        headers={"Authorization": f"Bearer {key}", "User-Agent": "plexctl"},
        verify=not is_here and _authorities(environment),
        proxy=None if is_here else environment.get("HTTPS_PROXY") or environment.get("https_proxy"),
        trust_env=False,
        # Nobody closes an adapter, so that no connection is kept: calls are seconds apart.
        limits=library.Limits(max_keepalive_connections=0),
    )
    return opened


def parsed(answer: httpx.Response) -> object:
    """Return an answer's JSON; None where it is none."""
    try:
        return json.loads(answer.content)
    except (ValueError, RecursionError):
        return None


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

    return ssl.create_default_context(cafile=environment.get("SSL_CERT_FILE") or certifi.where())
