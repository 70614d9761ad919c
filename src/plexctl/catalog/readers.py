"""Who reads a provider's prices: a lazy table, to which each adapter adds its own line.

A reader is given the user's environment and a deadline, asks once, and returns rows; it raises a PlexError that says
why it could not. `PLEXCTL_X_PRICES_URL` names a price source of the user's own, `{provider}` in it stands for the
provider; it is asked instead of all others.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from importlib import import_module
from typing import Protocol, cast
from urllib.parse import quote

import msgspec

from plexctl.catalog.rows import Row
from plexctl.errors import ConfigurationError, CredentialsError, NoCapacityError, PlexError, ProviderError
from plexctl.secret import Secret

FEED_VARIABLE = "PLEXCTL_X_PRICES_URL"
READERS: dict[str, str] = {
    "lambda": "plexctl.catalog.lambda_prices:read",
    "modal": "plexctl.catalog.from_adapters:read_modal",
}
"""Provider to `module:function`."""
_MANY_REQUESTS = 429
_REFUSED = (401, 403)
_OK = 200


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reader is given."""

    environ: Mapping[str, str]
    today: date
    deadline_s: float


class Reader(Protocol):
    """Reads one provider's prices. Raises PlexError; CredentialsError when nobody gave it any."""

    def __call__(self, asked: Asked) -> list[Row]:
        """Return the rows."""


class NoReader(PlexError):  # noqa: N818 - it is no failure of anything
    """Nothing reads a provider's prices."""

    code = "no_reader"


class NotSetUp(PlexError):  # noqa: N818 - the same
    """Nobody uses the provider here: it lacks credentials or its extra."""

    code = "not_set_up"


class Feed(msgspec.Struct, frozen=True):
    """What a price source of the user's own answers."""

    rows: tuple[Row, ...]


_FEED = msgspec.json.Decoder(Feed)
"""Made before any thread asks: see `rows.CATALOG`."""


def reader_of(provider: str, environ: Mapping[str, str]) -> Reader:
    """Return what reads a provider's prices. Raises NoReader."""
    feed = environ.get(FEED_VARIABLE)
    if feed:
        return partial(_read_feed, provider, feed)
    target = READERS.get(provider)
    if target is None:
        raise NoReader("nothing reads its prices here: those that came with plexctl are used")
    module, _, function = target.partition(":")
    return cast("Reader", getattr(import_module(module), function))


def get_json(url: str, source: str, asked: Asked, token: Secret | None = None) -> bytes:
    """Return the body of a good answer. Raises the PlexError that says what was wrong with any other."""
    from plexctl.wire import WireError, fetch

    try:
        response = fetch(url, token=token, timeout_s=asked.deadline_s)
    except WireError as error:
        raise ProviderError(f"{source} cannot be reached: {error.message}") from error
    if response.status in _REFUSED:
        raise CredentialsError(f"{source} refused: HTTP {response.status}", hint="check the key")
    if response.status == _MANY_REQUESTS:
        raise NoCapacityError(f"{source} asks to be asked less often: HTTP {response.status}")
    if response.status != _OK or response.is_cut:
        what = "its answer is too long" if response.is_cut else f"HTTP {response.status}"
        raise ProviderError(f"{source} failed: {what}")
    return response.body


def refuse_cleartext(url: str, variable: str) -> None:
    """Raise ConfigurationError for a URL that is not https and not on the loopback."""
    from plexctl.wire import Endpoint

    endpoint = Endpoint.parse(url)
    try:
        is_loopback = endpoint.host == "localhost" or ipaddress.ip_address(endpoint.host).is_loopback
    except ValueError:
        is_loopback = False
    if not endpoint.is_secure and not is_loopback:
        raise ConfigurationError(f"{variable} must be https, except on the loopback", hint="use an https URL")


def _read_feed(provider: str, template: str, asked: Asked) -> list[Row]:
    """Read `{"rows": [...]}`, in the catalog's own format, from the user's price source."""
    url = template.replace("{provider}", quote(provider, safe=""))
    refuse_cleartext(url, FEED_VARIABLE)
    body = get_json(url, "the price source", asked)
    return [row for row in rows_in(body) if row.provider == provider]


def rows_in(body: bytes) -> tuple[Row, ...]:
    """Return what a price source of the user's own answered. Raises ProviderError."""
    try:
        return _FEED.decode(body).rows
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProviderError(f"the price source's answer makes no sense: {str(error)[:200]}") from None
