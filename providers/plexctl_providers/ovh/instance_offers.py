"""Which instances can be had now: flavours with stock and quota, read before anything is created."""

from __future__ import annotations

from plexctl.errors import NoCapacityError, PlexError, PreflightError
from plexctl.gpus import matching
from plexctl.model import Finding, Level, Need, Offer
from plexctl_providers._common.offers import meets
from plexctl_providers.ovh.client import Client, project_path
from plexctl_providers.ovh.errors import nonsense
from plexctl_providers.ovh.instance import FLAVOUR
from plexctl_providers.ovh.instance_rows import Flavour, flavour_of, smallest
from plexctl_providers.ovh.names import flavours

_READ = "read the flavours"
_STOCK_FIX = "take another GPU or region, or try again later: OVHcloud lists flavours that it has none of"
_QUOTA_FIX = "ask for more in OVHcloud's control panel (Public Cloud, Quota and Regions), or take another region"


def read_flavours(client: Client, project: str, region: str | None) -> list[Flavour]:
    """Return the flavours of a region, or of all."""
    rows = client.rows(project_path(project, "flavor"), _READ, region=region)
    try:
        found = [flavour_of(row) for row in rows]
    except (LookupError, TypeError, ValueError):
        raise nonsense(_READ, "no flavour") from None
    return [one for one in found if one is not None]


def instance_offers(found: list[Flavour], day: str) -> list[Offer]:
    """Return an offer for each GPU and region that can be had, and the smallest without a GPU of each region. Pure."""
    offers = [_sold(one, gpu, day) for one in found if (gpu := _gpu(one)) is not None and one.can_be_had]
    plain = _plain(found)
    for region in dict.fromkeys(one.region for one in found):
        least = smallest(plain, region)
        if least is not None:
            offers.append(_sold(least, None, day))
    return offers


def refuse_without_quota(found: list[Flavour], need: Need) -> None:
    """Raise PreflightError where GPUs that meet a need are in stock, and the quota has room for none of them. Pure."""
    fitting = [one for one in found if one.in_stock and (gpu := _gpu(one)) and meets(_sold(one, gpu), need)]
    if fitting and not any(one.can_be_had for one in fitting):
        where = ", ".join(f"{one.name} in {one.region}" for one in fitting)
        raise PreflightError(
            f"the project's quota has no room for one more of what is in stock: {where}", hint=_QUOTA_FIX
        )


def check_flavour(found: list[Flavour], offer: Offer) -> list[Finding]:
    """Say whether one of the offer's flavours can be had. Pure."""
    named = offer.detail.get(FLAVOUR)
    names = [named] if named else flavours(offer, ai_deploy=False)
    try:
        good = choose_flavour(found, names, offer)
    except PlexError as error:
        return [Finding("flavour", Level.FAIL, error.message, error.hint)]
    left = "" if good.quota is None else f", and the project may start {good.quota} more"
    return [Finding("flavour", Level.OK, f"{good.name} is in stock in {good.region}{left}")]


def choose_flavour(found: list[Flavour], names: list[str], offer: Offer) -> Flavour:
    """Return the flavour to start; without a GPU and a name, the smallest. Pure.

    Raises NoCapacityError without stock, PreflightError without quota.
    """
    here = [one for one in found if offer.region in (None, one.region)]
    if not names and offer.gpu is None:
        regions = dict.fromkeys(one.region for one in here)
        good = [least for region in regions if (least := smallest(_plain(here), region)) is not None]
        mine = _plain(here)
    else:
        wanted = {name.lower() for name in names}
        mine = [one for one in here if one.name.lower() in wanted]
        good = [one for one in mine if one.can_be_had]
    if not good:
        raise _why_none(mine, names, offer)
    return min(good, key=lambda one: (one.region, one.ram_mb, one.name))


def _plain(found: list[Flavour]) -> list[Flavour]:
    return [one for one in found if _gpu(one) is None and not _has_unknown_gpu(one)]


def _why_none(mine: list[Flavour], names: list[str], offer: Offer) -> PlexError:
    place = offer.region or "any region"
    called = " or ".join(sorted(names)) or (f"flavour with {offer.gpu}" if offer.gpu else "flavour without a GPU")
    if not mine:
        return NoCapacityError(f"OVHcloud lists no {called} in {place}", hint=_STOCK_FIX)
    if any(one.in_stock for one in mine):
        words = f"{mine[0].name} is in stock in {place}, and the project's quota has no room for one"
        return PreflightError(words, hint=_QUOTA_FIX)
    return NoCapacityError(f"{mine[0].name} is listed in {place} and out of stock", hint=_STOCK_FIX)


def _sold(flavour: Flavour, gpu: str | None, day: str | None = None) -> Offer:
    source = "OVHcloud's flavours; their prices are not told there"
    return Offer("ovh", gpu, 1 if gpu else 0, flavour.region, None, source, day, {FLAVOUR: flavour.name})


def _gpu(flavour: Flavour) -> str | None:
    known = next(iter(matching(flavour.name, "ovh")), None)
    return known.name if known else None


def _has_unknown_gpu(flavour: Flavour) -> bool:
    """Tell whether a flavour is one with GPUs that plexctl does not know: larger ones are called `l4-180`."""
    head = flavour.name.partition("-")[0]
    return head.lower() in {"t1", "t2"} or bool(matching(head, "ovh"))
