"""Prices out of an adapter's own offers: what it asks its provider for a deploy is what a refresh reads."""

from __future__ import annotations

import time
from pathlib import Path

from plexctl.catalog.live import rows_of
from plexctl.catalog.readers import Asked, NotSetUp
from plexctl.catalog.rows import Row
from plexctl.errors import CredentialsError, ExtraMissingError, ProviderError
from plexctl.model import Need


def read_modal(asked: Asked) -> list[Row]:
    """Return this workspace's prices. Raises NotSetUp without credentials or client, else what `offers` raises."""
    return _read("modal", asked)


def _read(provider: str, asked: Asked) -> list[Row]:
    from plexctl.contract import Context
    from plexctl.registry import provider_class

    context = Context(Path(), asked.environ, {}, time.time)
    try:
        offers = provider_class(provider)(context).offers(Need())
    except (CredentialsError, ExtraMissingError) as error:
        raise NotSetUp(f"{error.message}: {error.hint}" if error.hint else error.message) from None
    priced = [one for one in offers if one.gpu is not None and one.price_usd_per_hour is not None]
    if not priced:
        raise ProviderError("it was asked and named no price of a GPU")
    return rows_of(priced, asked.today)
