"""RunPod's catalogue as offers. Pure.

Source: `GpuType` of the OpenAPI description (runpod/docs at a900806).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from plexctl.gpus import Gpu, image_profile, matching
from plexctl.images import PROFILES
from plexctl.model import Need, Offer
from plexctl_providers._common.offers import meets
from plexctl_providers.runpod.bodies import GPU_TYPE

CATALOG = "/v2/catalog/gpus"
QUERY = {"include": "AVAILABILITY", "product": "POD", "cloud": "SECURE"}
_ORDER = ("HIGH", "MEDIUM", "LOW")


def offers_of(answer: Mapping[str, Any], need: Need, day: str, spot: Mapping[str, float]) -> list[Offer]:
    """Return what is in stock in the secure cloud: one offer for each data centre, best stocked first.

    The price is the secure cloud's, the dearer one; the community cloud's, where a pod may be put by
    `runpod.cloud`, stands in the detail.
    """
    found = []
    for kind in answer.get("gpus") or ():
        gpu = next(iter(matching(str(kind["id"]), "runpod")), None)
        price = float((kind.get("price") or {}).get("secure") or 0)
        if gpu is None or not kind.get("secure") or not price or not _serves(kind, gpu):
            continue
        detail = _detail(kind, spot)
        for region, stock in _places(kind):
            detail_here = {**detail, "availability": stock}
            source = "RunPod's catalogue, GET /v2/catalog/gpus"
            found.append(Offer("runpod", gpu.name, 1, region, price, source, day, detail_here))
    return [one for one in found if meets(one, need)]


def _detail(kind: Mapping[str, Any], spot: Mapping[str, float]) -> dict[str, str]:
    theirs = str(kind["id"])
    community = (kind.get("price") or {}).get("community") if kind.get("community") else None
    told = {"community_usd_per_hour": community, "spot_usd_per_hour": spot.get(theirs)}
    return {GPU_TYPE: theirs} | {name: f"{price:g}" for name, price in told.items() if price}


def _places(kind: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Yield data centres with stock, the fullest first; one of no name where RunPod names none."""
    centers = kind.get("dataCenters") or ()
    stocked = [(str(one["id"]), str(one.get("availability"))) for one in centers]
    wanted = [one for one in stocked if one[1] in _ORDER]
    if wanted:
        yield from sorted(wanted, key=lambda one: _ORDER.index(one[1]))
    elif not stocked and kind.get("availability") in _ORDER:
        yield None, str(kind["availability"])


def _serves(kind: Mapping[str, Any], gpu: Gpu) -> bool:
    """Tell whether a host with this GPU has a driver for the image that it takes; unknown counts as yes."""
    free = [_version(str(one["version"])) for one in kind.get("cudaVersions") or () if one.get("available")]
    floor = _floor(gpu)
    if floor is None or not kind.get("cudaVersions"):
        return True
    return any(version >= floor for version in free)


def _floor(gpu: Gpu) -> tuple[int, ...] | None:
    name = image_profile(gpu).name
    cuda = PROFILES[name].cuda if name else None
    return None if cuda is None else _version(cuda)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
