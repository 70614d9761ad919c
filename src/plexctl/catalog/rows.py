"""What the catalog holds: one row for each price, with its source and its date. No I/O.

A price is a sample with an age, never a promise: `catalog refresh` and the adapters read live ones.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from msgspec import Meta, Struct, field
from msgspec.json import Decoder

from plexctl.model import Offer

STALE_AFTER_DAYS = 30
HIGHEST_PRICE = 100_000.0
"""Per hour; more is a slip of units."""

Text = Annotated[str, Meta(min_length=1, max_length=300)]
IsoDate = Annotated[str, Meta(pattern=r"^\d{4}-\d{2}-\d{2}$(?!\n)")]
Price = Annotated[float, Meta(ge=0, le=HIGHEST_PRICE)]


class Rate(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one unit of a currency is in USD. Used to sort, and marked wherever it was."""

    usd: Annotated[float, Meta(gt=0, le=1000)]
    source: Text
    as_of: IsoDate


class Row(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, omit_defaults=True):
    """What a provider asks for one kind of GPU, `count` of them together, for an hour."""

    provider: Text
    gpu: Text | None
    """A name that `plexctl.gpus` knows; None for hardware of the user's own, and for none at all (`count` 0)."""
    count: Annotated[int, Meta(ge=0, le=64)] = 1
    regions: tuple[Text, ...] = ()
    """Where it is sold, when it is tied to regions."""
    price: Price | None
    """None when nobody collected one."""
    currency: Literal["USD", "EUR"] = "USD"
    stock: Text | None = None
    """What the provider said of it; None when it is unknown."""
    source: Text
    as_of: IsoDate
    is_verified: bool = False
    """True when it came from the provider itself."""
    note: Text | None = None

    @property
    def what(self) -> str:
        """What is sold, in words."""
        if self.gpu is None:
            return "own hardware" if self.count else "no GPU, for cents"
        return f"{self.count} x {self.gpu}" if self.count > 1 else self.gpu

    def offer(self, region: str | None, price_usd_per_hour: float | None) -> Offer:
        """Return it as the offer that a plan is laid out for."""
        return Offer(self.provider, self.gpu, self.count, region, price_usd_per_hour, self.source, self.as_of)


class Failure(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why a provider's rows are older than the last refresh."""

    message: str
    at: IsoDate


class Catalog(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """All rows, the rates between currencies, and which providers failed at the last refresh."""

    version: Literal[1] = 1
    as_of: IsoDate
    rates: dict[str, Rate] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    failures: dict[str, Failure] = field(default_factory=dict)

    def usd(self, row: Row) -> float | None:
        """Return a row's price in USD; None when it is unknown, or in a currency without a rate."""
        if row.price is None or row.currency == "USD":
            return row.price
        rate = self.rates.get(row.currency)
        return None if rate is None else round(row.price * rate.usd, 4)

    def rows_of(self, provider: str) -> tuple[Row, ...]:
        """Return one provider's rows."""
        return tuple(row for row in self.rows if row.provider == provider)


CATALOG = Decoder(Catalog)
"""Made when this is imported: two threads that are the first to decode into a Struct crash (msgspec 0.22.0)."""


def age_days(as_of: str, today: date) -> int | None:
    """Return how old a date is; None for no date; 0 for one in the future, which is a clock that is slow."""
    try:
        return max(0, (today - date.fromisoformat(as_of)).days)
    except ValueError:
        return None


def is_stale(as_of: str, today: date) -> bool:
    """Tell whether a price is too old to be believed; one without a date is."""
    age = age_days(as_of, today)
    return age is None or age > STALE_AFTER_DAYS
