"""The provider's own offers of this moment, laid over the catalog's rows. No I/O.

What the provider tells counts: price, source, date and regions. What it does not tell stays the catalog's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import date

from msgspec import structs

from plexctl.catalog.judging import Judged
from plexctl.catalog.rows import Row
from plexctl.gpus import matching
from plexctl.model import Offer

_Key = tuple[str | None, int]


def with_live(rows: Iterable[Row], offers: Iterable[Offer], day: date) -> list[Row]:
    """Return one provider's rows, those of the same GPU and count replaced by its live offers."""
    shipped = {(row.gpu, row.count): row for row in rows}
    told = [_laid_over(row, shipped.get((row.gpu, row.count))) for row in rows_of(offers, day)]
    renewed = {(row.gpu, row.count) for row in told}
    return [*told, *(row for key, row in shipped.items() if key not in renewed)]


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
    prices = (row.price, None)
    same = [one for one in offers if _key(one) == (row.gpu, row.count) and one.price_usd_per_hour in prices]
    by_region = {one.region: one for one in reversed(same)}
    if chosen.region is None and len(same) > 1 and not any(one.detail for one in same):
        return plain
    wanted = [chosen.region] if chosen.region else row.regions
    found = next((by_region[region] for region in wanted if region in by_region), by_region.get(None))
    return plain if found is None else replace(plain, region=chosen.region or found.region, detail=found.detail)


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
