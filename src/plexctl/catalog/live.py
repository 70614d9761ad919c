"""The provider's own offers of this moment, laid over the catalog's rows. No I/O.

What the provider tells counts: price, source, date and regions. What it does not tell stays the catalog's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from msgspec import structs

from plexctl.catalog.judging import Judged
from plexctl.catalog.rows import Row
from plexctl.gpus import matching
from plexctl.model import Offer

_Key = tuple[str | None, int]


NONE = "none"
"""A row's stock when there is none."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one provider offers at this moment, as far as it tells."""

    provider: str
    offers: tuple[Offer, ...] = ()
    is_stock: bool = False
    """It is all that can be had: what is left out is out of stock."""
    denied: tuple[tuple[Offer, str], ...] = ()
    """What is not to be taken, and why."""


def with_live(rows: Iterable[Row], told: Told, day: date, region: str | None = None) -> list[Row]:
    """Return one provider's rows, those of the same GPU and count replaced by its live offers.

    `region` is the one asked for, in which what is out of stock may be sold as well.
    """
    shipped = {(row.gpu, row.count): row for row in rows}
    live = [_laid_over(row, shipped.get((row.gpu, row.count))) for row in rows_of(told.offers, day)]
    renewed = {(row.gpu, row.count) for row in live} | {_key(offer) for offer, _ in told.denied}
    rest = [row for key, row in shipped.items() if key not in renewed]
    if told.is_stock:
        place = (region,) if region else ()
        rest = [structs.replace(row, stock=NONE, regions=tuple(dict.fromkeys((*row.regions, *place)))) for row in rest]
    return [*live, *rest]


def denied_rows(told: Told, day: date) -> list[Row]:
    """Return a row for each offer that is not to be taken, with the reason as its note."""
    return [structs.replace(row, note=why) for offer, why in told.denied for row in rows_of((offer,), day)]


def rows_of(offers: Iterable[Offer], day: date) -> list[Row]:
    """Return offers as rows: one for each GPU, count and price, with all the regions that it is sold in."""
    grouped: dict[tuple[_Key, float | None], list[Offer]] = {}
    for offer in offers:
        grouped.setdefault((_key(offer), offer.price_usd_per_hour), []).append(offer)
    return [
        Row(
            provider=same[0].provider,
            gpu=gpu,
            count=count,
            regions=tuple(dict.fromkeys(offer.region for offer in same if offer.region)),
            price=price,
            source=same[0].source,
            as_of=same[0].as_of or day.isoformat(),
            is_verified=price is not None,
        )
        for ((gpu, count), price), same in grouped.items()
    ]


def offer_of(chosen: Judged, offers: Sequence[Offer]) -> Offer:
    """Return the offer to deploy: a judged row's, with what only its adapter needs where that offered it.

    Where no region is asked for and all are alike, the plan says which, as `plan` does; else it is in the first that
    the row names.
    """
    row, plain = chosen.row, chosen.offer
    same = [one for one in offers if is_of(one, row)]
    by_region = {one.region: one for one in reversed(same)}
    if chosen.region is None and len(same) > 1 and not any(one.detail for one in same):
        return plain
    wanted = [chosen.region] if chosen.region else row.regions
    found = next((by_region[region] for region in wanted if region in by_region), by_region.get(None))
    return plain if found is None else replace(plain, region=chosen.region or found.region, detail=found.detail)


def offers_of(chosen: Judged, offers: Sequence[Offer]) -> list[Offer]:
    """Return all offers of a judged row, that of `offer_of` first: one for each place or machine of its own."""
    first = offer_of(chosen, offers)
    same = [one for one in offers if one.detail and is_of(one, chosen.row) and chosen.region in (None, one.region)]
    mine = [replace(chosen.offer, region=one.region, detail=one.detail) for one in same]
    return [first, *(one for one in mine if one != first)] if first.detail else [first]


def is_of(offer: Offer, row: Row) -> bool:
    """Tell whether an offer is one of those that a row stands for."""
    if offer.provider != row.provider or _key(offer) != (row.gpu, row.count):
        return False
    return offer.price_usd_per_hour in (row.price, None)


def _laid_over(row: Row, shipped: Row | None) -> Row:
    """Return a live row with what it lacks taken from the catalog's."""
    if shipped is None:
        return row
    regions = row.regions or shipped.regions
    return structs.replace(shipped if row.price is None else row, regions=regions)


def _key(offer: Offer) -> _Key:
    """Return GPU, by plexctl's own name, and count."""
    found = next(iter(matching(offer.gpu, offer.provider)), None) if offer.gpu else None
    return (found.name if found else offer.gpu), offer.count
