"""What Cloud Run has: its GPUs in their regions, and instances without one. Prices are unknown here. Pure."""

from __future__ import annotations

from plexctl.model import Offer
from plexctl_providers.cloudrun.accelerators import ACCELERATORS, ANY_REGION

_SOURCE = "docs.cloud.google.com/run/docs/configuring/services/gpu, by a mirror; it has no prices"
_AS_OF = "2026-11-20"
_NAMES = {"nvidia-l4": "L4", "nvidia-rtx-pro-6000": "RTX PRO 6000"}


def _every() -> tuple[Offer, ...]:
    with_gpu = [
        Offer("cloudrun", _NAMES[gpu.name], 1, region, None, _SOURCE, _AS_OF)
        for gpu in ACCELERATORS.values()
        for region in gpu.regions
    ]
    # The first is taken where none is asked for, as by a plan that asks nobody.
    regions = dict.fromkeys([ANY_REGION, *sorted(one.region for one in with_gpu if one.region)])
    return (*with_gpu, *(Offer("cloudrun", None, 0, region, None, _SOURCE, _AS_OF) for region in regions))


OFFERS = _every()
