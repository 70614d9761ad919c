"""A search before anybody has chosen a GPU, and which of its answers an image can serve. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from msgspec import structs

from plexctl.errors import PreflightError
from plexctl.model import Need, Offer
from plexctl.spec import Spec
from plexctl_providers._common.settings import PERSONAPLEX
from plexctl_providers.vast.bodies import offer_for, search_body
from plexctl_providers.vast.rows import read_offer

_OF_THE_IMAGE = ("cuda_max_good", "compute_cap")
"""What depends on which image serves the GPU, and so is judged ask by ask."""
_REPORTED = 0.95
"""Cards report a little less memory than they are sold with: 24,564 MB and less for 24 GB."""
_MB_PER_GIB = 1024


def offers_body(spec: Spec, need: Need) -> dict[str, object]:
    """Return the body of a search for everything that meets a need and the spec's wishes of a host."""
    body = search_body(_for_gpus(spec), offer_for(need))
    for name in _OF_THE_IMAGE:
        body.pop(name, None)
    if need.min_vram_gib is not None:
        floor = cast("Mapping[str, int]", body.get("gpu_ram", {})).get("gte", 0)
        body["gpu_ram"] = {"gte": max(floor, int(need.min_vram_gib * _MB_PER_GIB * _REPORTED))}
    if need.max_price_usd_per_hour is not None:
        body["dph_total"] = {"lte": need.max_price_usd_per_hour}
    return body


def fitting(spec: Spec, rows: Iterable[Mapping[str, Any]], as_of: str) -> list[Offer]:
    """Return the offers whose GPU and driver an image can serve."""
    found = ((row, read_offer(row, as_of)) for row in rows)
    return [_with_bid(spec, offer) for row, offer in found if offer is not None and _fits(spec, row, offer)]


def _with_bid(spec: Spec, offer: Offer) -> Offer:
    """Return the offer at what is bid: Vast tells it at its least bid."""
    bid, least = spec.vast.bid_usd_per_hour, offer.detail.get("bid")
    if bid is None or least is None or offer.price_usd_per_hour is None:
        return offer
    return replace(offer, price_usd_per_hour=round(offer.price_usd_per_hour - float(least) + bid, 6))


def _fits(spec: Spec, row: Mapping[str, Any], offer: Offer) -> bool:
    try:
        wanted = search_body(_for_gpus(spec), offer)
    except PreflightError:
        return False
    bounds = {name: cast("Mapping[str, float]", wanted.get(name, {})) for name in _OF_THE_IMAGE}
    return all(_is_within(row.get(name), bound) for name, bound in bounds.items())


def _is_within(value: object, bound: Mapping[str, float]) -> bool:
    if not isinstance(value, int | float):
        return not bound
    return bound.get("gte", value) <= value and not value >= bound.get("lt", value + 1)


def _for_gpus(spec: Spec) -> Spec:
    return structs.replace(spec, engine=spec.engine or PERSONAPLEX)
