"""Which GPUs AI Deploy has, by its capabilities: a region's flavours, and what the project may use of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plexctl.errors import PlexError
from plexctl.gpus import matching
from plexctl.model import Finding, Level, Need, Offer
from plexctl_providers.ovh.ai_deploy import DETAIL
from plexctl_providers.ovh.client import Client, Json, project_path
from plexctl_providers.ovh.errors import is_absent, nonsense

_REGIONS = ("GRA", "BHS")
"""Where AI Deploy is, should it not tell (OVHcloud's guide, 2026-08)."""
_FLAVOURS = "read the flavours of AI Deploy"
_QUOTA = "read the quota of AI Deploy"
_CAPABILITIES = ("ai", "capabilities")


def app_offers(client: Client, project: str, need: Need, day: str) -> list[Offer]:
    """Return an offer for each GPU and region, and one without a GPU for each region; prices are not told."""
    regions = [need.region] if need.region else _regions(client, project)
    return [
        offer for region in regions for row in _flavours(client, project, region) for offer in _read(row, region, day)
    ]


def check_app_offer(client: Client, project: str, offer: Offer) -> list[Finding]:
    """Say whether the project's quota has room for the offer."""
    kind = "GPU" if offer.gpu else "CPU"
    answer = client.found(project_path(project, *_CAPABILITIES, "quota"), _QUOTA)
    told = (answer or {}).get("resources")
    allowed = _number(told, kind)
    if allowed is None:
        return [Finding("quota", Level.WARN, f"OVHcloud does not tell the project's quota of {kind}s for AI Deploy")]
    if allowed < max(offer.count, 1):
        words = f"the project may use {allowed} {kind}s with AI Deploy, and this takes {max(offer.count, 1)}"
        return [
            Finding("quota", Level.FAIL, words, 'ask OVHcloud\'s support for more, or take ovh.product = "instance"')
        ]
    return [Finding("quota", Level.OK, f"the project may use {allowed} {kind}s with AI Deploy")]


def _regions(client: Client, project: str) -> list[str]:
    action = "list the regions of AI Deploy"
    try:
        rows = client.rows(project_path(project, *_CAPABILITIES, "region"), action)
    except PlexError as error:
        if is_absent(error):
            return list(_REGIONS)
        raise
    return [str(row["id"]) for row in rows if row.get("id")]


def _flavours(client: Client, project: str, region: str) -> list[Json]:
    """Return a region's flavours; some descriptions of the API have them without the region."""
    try:
        return client.rows(project_path(project, *_CAPABILITIES, "region", region, "flavor"), _FLAVOURS)
    except PlexError as error:
        if not is_absent(error):
            raise
    return client.rows(project_path(project, *_CAPABILITIES, "flavor"), _FLAVOURS)


def _read(row: Json, region: str, day: str) -> list[Offer]:
    flavour, most = row.get("id"), row.get("max")
    if not isinstance(flavour, str):
        raise nonsense(_FLAVOURS, "a flavour without an id")
    if isinstance(most, int) and most < 1:
        return []
    gpu = _gpu(row, flavour)
    if gpu is None and row.get("type") != "cpu":
        return []
    source = "AI Deploy's capabilities; OVHcloud tells no price there"
    return [Offer("ovh", gpu, 1 if gpu else 0, region, None, source, day, {DETAIL: flavour})]


def _gpu(row: Json, flavour: str) -> str | None:
    """Return plexctl's name of a flavour's GPU: by the flavour, else by its model."""
    information = row.get("gpuInformation")
    model = information.get("gpuModel") if isinstance(information, Mapping) else None
    names = [flavour, *([str(model).replace("-", " ").replace("Tesla ", "")] if model else [])]
    found = next((gpu for name in names for gpu in matching(name, "ovh")), None)
    return found.name if found else None


def _number(told: object, name: str) -> int | None:
    value: Any = told.get(name, told.get(name.lower())) if isinstance(told, Mapping) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None
