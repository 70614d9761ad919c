"""Which offer: those of a market judged for a model, best first, with the reason for each that is refused."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import date
from typing import NoReturn

from msgspec import structs

from plexctl.catalog import Catalog, Row, load, today
from plexctl.catalog.judging import Judged, Kind, Refusal, judge, never, refusal
from plexctl.catalog.live import Told, denied_rows, rows_of, with_live
from plexctl.catalog.wishes import Wish, check_region
from plexctl.catalog.without_gpu import WITHOUT_GPU, row_without_gpu
from plexctl.errors import NoCapacityError, PreflightError
from plexctl.flows.licence import ECHO, PERSONAPLEX
from plexctl.flows.session import Session
from plexctl.gpus import PERSONAPLEX_7B, Checkpoint, saved_measurements
from plexctl.model import Need, Offer
from plexctl.registry import THIS_MACHINE
from plexctl.spec import PROVIDERS, Spec

_SHOWN = 12
"""Offers that a refusal names on stderr; the document has them all."""


@dataclass(frozen=True, slots=True)
class Market:
    """The offers to choose from, as a catalog with these rows alone."""

    wish: Wish
    catalog: Catalog
    day: date
    """From which ages are counted."""
    denied: frozenset[Row] = frozenset()
    """Rows that are not to be taken; the note says why."""


@dataclass(frozen=True, slots=True)
class Considered:
    """One offer and why not this one; None for what passed."""

    judged: Judged
    refusal: Refusal | None


@dataclass(frozen=True, slots=True)
class Choice:
    """The offer that was chosen, and everything that was weighed."""

    chosen: Judged
    considered: list[Considered]
    passed: list[Judged]
    """All that could be taken, the chosen one first, and by preference (the chosen one once more)."""


def looks_at(provider: str) -> bool:
    """Tell whether a provider is this very machine, whose adapter looks at it without network or keys."""
    return provider == THIS_MACHINE


def market_of(session: Session, spec: Spec, wish: Wish) -> Market:
    """Return what the catalog has of the wish's providers; the echo engine takes no GPU where it needs none.

    Raises UsageError for a region that none of them has.
    """
    catalog = load(session.home)
    rows: list[Row] = []
    for name in wish.providers:
        if spec.engine == ECHO and name in WITHOUT_GPU:
            rows.append(row_without_gpu(name, catalog))
        else:
            rows += _looked_at(session, catalog.rows_of(name))
    return _market(session, catalog, rows, wish)


def market_with(session: Session, wish: Wish, told: Iterable[Told], without_gpu: Collection[str] = ()) -> Market:
    """Return the market of providers with their live offers laid over the catalog's.

    `without_gpu`: where the engine takes none. Raises UsageError for a region that none of them has.
    """
    catalog, day = load(session.home), today(session.environ, session.now())
    rows: list[Row] = []
    denied: list[Row] = []
    for one in told:
        is_without = one.provider in without_gpu
        offers = tuple(offer for offer in one.offers if (offer.gpu is None) == is_without)
        shipped = [row_without_gpu(one.provider, catalog)] if is_without else catalog.rows_of(one.provider)
        rows += with_live(shipped, replace(one, offers=offers), day, wish.region)
        denied += denied_rows(one, day)
    return replace(_market(session, catalog, [*rows, *denied], wish), denied=frozenset(denied))


def market_of_hosts(session: Session, offers: Iterable[Offer], wish: Wish) -> Market:
    """Return the market of the user's own hosts, which are all that there is: a catalog knows nothing of them."""
    catalog = load(session.home)
    return _market(session, catalog, rows_of(offers, today(session.environ, session.now())), wish)


def choose(
    session: Session,
    market: Market,
    spec: Spec,
    *,
    checkpoint: Checkpoint = PERSONAPLEX_7B,
    force: bool = False,
    before: Offer | None = None,
) -> Choice:
    """Return the best offer, or the one from `before` while it still passes: what runs is not moved by a price.

    Raises PreflightError when what was asked for could never serve, NoCapacityError when nobody offers it; both say
    why, offer by offer.
    """
    saved = saved_measurements(session.home)
    wish = market.wish
    judged = judge(market.catalog, wish, market.catalog.rows, saved, checkpoint)
    judged.sort(key=lambda one: one.preference)
    if spec.engine == ECHO:
        # Any machine serves: the cheapest is the best.
        judged.sort(key=lambda one: float("inf") if one.usd_per_hour is None else one.usd_per_hour)
    considered = [Considered(one, _why_not(one, spec, market, force=force)) for one in judged]
    passed = [one.judged for one in considered if one.refusal is None]
    if not passed:
        _refuse(considered, wish, market.day)
    same = [_again(one, before) for one in passed if before is not None and _is_same(one, before, wish)]
    # Of several alike, the one at its own price is its own.
    same.sort(key=lambda one: before is None or one.usd_per_hour != before.price_usd_per_hour)
    chosen = (same or passed)[0]
    return Choice(chosen, considered, [chosen, *passed])


def settled(session: Session, spec: Spec, chosen: Judged) -> Spec:
    """Return the spec with what is left to the choice: provider, engine but where its adapter looks, pushed image."""
    provider = chosen.row.provider
    if spec.engine is None and (chosen.row.gpu is not None or (provider in PROVIDERS and not looks_at(provider))):
        spec = structs.replace(spec, engine=PERSONAPLEX)
    spec = structs.replace(spec, provider=provider)
    if not session.has_journal():
        return spec
    from plexctl.flows.images import with_pushed_image

    return with_pushed_image(session, spec, chosen.offer)


def considered_dict(one: Considered, day: date) -> dict[str, object]:
    """Return it as the JSON documents show it."""
    shown = one.judged.to_dict(day)
    kept = ("provider", "gpu", "count", "region", "price_usd_per_hour", "price_usd_per_conversation_hour", "as_of")
    return {key: shown[key] for key in kept} | {"refused": None if one.refusal is None else one.refusal.reason}


def _market(session: Session, catalog: Catalog, rows: list[Row], wish: Wish) -> Market:
    catalog = structs.replace(catalog, rows=tuple(rows))
    check_region(wish, catalog)
    return Market(wish, catalog, today(session.environ, session.now()))


def _looked_at(session: Session, rows: Iterable[Row]) -> list[Row]:
    """Return the rows, those of the user's own hardware with the GPU that an adapter sees there."""
    seen = []
    for row in rows:
        if row.gpu is None and looks_at(row.provider):
            (offer,) = session.provider(row.provider).offers(Need())[:1]
            seen.append(structs.replace(row, gpu=offer.gpu, source=offer.source))
        else:
            seen.append(row)
    return seen


def _is_same(judged: Judged, before: Offer, wish: Wish) -> bool:
    row = judged.row
    if (row.provider, row.gpu, row.count) != (before.provider, before.gpu, before.count):
        return False
    if wish.region not in (None, before.region):
        return False
    return before.region is None or not row.regions or before.region in row.regions


def _again(judged: Judged, before: Offer) -> Judged:
    return replace(judged, region=before.region)


def _why_not(judged: Judged, spec: Spec, market: Market, *, force: bool) -> Refusal | None:
    serves = None if spec.engine == ECHO else never(judged, cpu_offload=spec.model.cpu_offload, force=force)
    found = refusal(judged, market.wish)
    if found is None and judged.row in market.denied:
        found = Refusal(Kind.STOCK, judged.row.note or "is not to be taken")
    return serves if found is None or (serves and found.kind is Kind.STOCK) else found


def _refuse(considered: list[Considered], wish: Wish, day: date) -> NoReturn:
    reasons = [_reason(one) for one in considered]
    data = {"considered": [considered_dict(one, day) for one in considered]}
    kinds = {one.refusal.kind for one in considered if one.refusal}
    asked = [one for one in considered if one.refusal and one.refusal.kind is not Kind.WISH]
    lines = reasons if not asked else [_reason(one) for one in asked]
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    words = "; ".join(lines[:_SHOWN]) + more
    if kinds & {Kind.NEVER, Kind.REGION} and Kind.STOCK not in kinds:
        hint = (
            "`plexctl gpus --real-time` lists what can" if Kind.NEVER in kinds else "`plexctl gpus` lists the regions"
        )
        raise PreflightError(f"no offer can serve: {words}", hint=hint, data=data)
    hint = "`plexctl gpus` lists all offers; ask for less, or for another provider"
    named = f"no offer of {', '.join(wish.providers)} is what was asked for"
    raise NoCapacityError(f"{named}: {words}" if words else named, hint=hint, data=data)


def _reason(one: Considered) -> str:
    row = one.judged.row
    return f"{row.provider} {row.what} {one.refusal.reason if one.refusal else 'passes'}"
