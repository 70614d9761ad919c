"""Lambda's instance types as offers. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from plexctl.gpus import gpu_of_type
from plexctl.model import Need, Offer
from plexctl_providers._common.offers import meets
from plexctl_providers.lambda_cloud.answers import InstanceType

TYPES = "/instance-types"
DETAIL = "instance_type"
"""The key of an offer's detail."""


def offers_of(types: Iterable[InstanceType], need: Need, day: str, regions: frozenset[str] | None) -> list[Offer]:
    """Return what can be launched at this moment: one offer for each type and region with capacity.

    `regions` are those that the spec allows, None for all. Types whose GPU plexctl does not know are left out.
    """
    found = [offer for one in types for offer in _offers(one, day)]
    return [one for one in found if meets(one, need) and (regions is None or one.region in regions)]


def _offers(one: InstanceType, day: str) -> Iterator[Offer]:
    gpu = gpu_of_type(one.name)
    if gpu is None or not one.gpus:
        return
    for region in one.regions:
        source = f"Lambda GET {TYPES} {one.name}"
        yield Offer("lambda", gpu.name, one.gpus, region, one.cents_per_hour / 100, source, day, {DETAIL: one.name})
