"""What Cloud Run has: its GPUs in their regions, and instances without one. Prices are unknown here. Pure."""

from __future__ import annotations

from plexctl.model import Offer
from plexctl.spec import Spec
from plexctl_providers._common.settings import ECHO
from plexctl_providers.cloudrun.accelerators import ACCELERATORS, ANY_REGION

_SOURCE = "docs.cloud.google.com/run/docs/configuring/services/gpu, by a mirror; it has no prices"
_AS_OF = "2026-11-20"
_NAMES = {"nvidia-l4": "L4", "nvidia-rtx-pro-6000": "RTX PRO 6000"}


def offers_for(spec: Spec | None) -> list[Offer]:
    """Return all offers; for a spec of the echo engine, those without a GPU first."""
    with_gpu = [
        Offer("cloudrun", _NAMES[gpu.name], 1, region, None, _SOURCE, _AS_OF)
        for gpu in ACCELERATORS.values()
        for region in gpu.regions
    ]
    # The first is taken where none is asked for, as by a plan that asks nobody.
    regions = dict.fromkeys([ANY_REGION, *sorted(one.region for one in with_gpu if one.region)])
    without = [Offer("cloudrun", None, 0, region, None, _SOURCE, _AS_OF) for region in regions]
    return [*without, *with_gpu] if spec is not None and spec.engine == ECHO else [*with_gpu, *without]
