"""What a deploy knows before it touches anything: findings, offers at the prices of this moment, and the plans."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

from msgspec import structs

from plexctl.catalog.judging import Judged
from plexctl.catalog.live import Told, is_of, offers_of
from plexctl.contract import Bounded, Provider
from plexctl.errors import NoCapacityError, PreflightError
from plexctl.flows import images, licence
from plexctl.flows.asking import Answer, Order, ask_providers, dicts, refuse_failed
from plexctl.flows.choosing import Choice, Market, choose, market_of, market_of_hosts, market_with, settled
from plexctl.flows.faults import host_of
from plexctl.flows.planning import lay_out, model_findings, price_findings, template_findings
from plexctl.flows.session import Session
from plexctl.journal import DeniedHost, Record, Wanted
from plexctl.model import Finding, Offer, Plan
from plexctl.registry import OWN_HARDWARE, THIS_MACHINE
from plexctl.spec import Spec

_LAID_OUT = 4
"""So many times the offers that may be tried are looked at to find those that can be."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before anything is touched."""

    spec: Spec
    provider: Provider
    """Without any secret's value: it checks, offers and plans."""
    offer: Offer
    findings: list[Finding]
    plan: Plan
    others: tuple[Prepared, ...] = ()
    """What is tried after it, in turn, where another offer may do better."""
    sellers: frozenset[str] = frozenset()
    """Everybody whose offers were weighed, by name."""

    @property
    def all(self) -> tuple[Prepared, ...]:
        """Everything that may be tried, in turn."""
        return (self, *self.others)


def prepare(session: Session, order: Order) -> Prepared:
    """Check, choose offers and plan; touches nothing.

    The licence counts first. Raises the errors of `plexctl.licence.errors`, what an adapter's preflight raises,
    PreflightError for what could never work, NoCapacityError when no offer meets the need.
    """
    providers = order.wish.providers
    names = providers if len(providers) > 1 else (order.spec.provider or "",)
    answers, findings = ask_providers(session, order, names)
    if names[0] == THIS_MACHINE:
        return _own(session, order, answers[0], findings)
    if names[0] in OWN_HARDWARE:
        return _hosts(session, order, answers[0], findings)
    return _sold(session, order, answers, findings)


def same_offer(one: Offer, other: Offer) -> bool:
    """Tell whether two offers are of the same thing in the same place, and host; prices go up and down."""
    return _what(one) == _what(other)


def _what(offer: Offer) -> tuple[object, ...]:
    return offer.provider, offer.gpu, offer.count, offer.region, host_of(offer)


def as_deployed(spec: Spec) -> Spec:
    """Return the spec without what only says how long this run waits, what it tries, and how it logs in."""
    limits = structs.replace(spec.limits, start_timeout_s=1.0, max_tries=1, deadline_s=None)
    ssh = structs.replace(spec.ssh, hosts=(), identity=None, accept_host_key=())
    return structs.replace(spec, limits=limits, ssh=ssh)


def _own(session: Session, order: Order, answer: Answer, findings: list[Finding]) -> Prepared:
    """Prepare for this machine: what it offers is what there is."""
    provider = answer.provider
    if order.wish.asks_of_gpu:
        choose(session, market_of(session, order.spec, order.wish), order.spec, force=True)
    if not answer.offers:
        raise NoCapacityError(f"{provider.name} offers nothing that meets the need")
    offer = min(answer.offers, key=_price)
    engine: Literal["personaplex", "echo"] = order.spec.engine or ("personaplex" if offer.gpu else "echo")
    # The engine is recorded, so that a start runs it again.
    spec = images.with_pushed_image(session, structs.replace(order.spec, engine=engine), offer)
    return Prepared(spec, provider, offer, [*findings, *answer.findings], provider.plan(spec, offer))


def _hosts(session: Session, order: Order, answer: Answer, findings: list[Finding]) -> Prepared:
    """Prepare for hosts of the user's own: those that will do, in the order in which they are offered.

    The one where the deployment is recorded comes first: what runs is not moved while its host will do.
    """
    provider, has_gpu = answer.provider, any(one.gpu for one in answer.offers)
    engine: Literal["personaplex", "echo"] = order.spec.engine or ("personaplex" if has_gpu else "echo")
    spec = structs.replace(order.spec, engine=engine)
    # Beside hosts that have a GPU, one that has none is no place for an engine that needs it.
    offers = [one for one in answer.offers if one.gpu or engine == licence.ECHO or not has_gpu]
    record = _recorded(session, spec.name, (provider.name,))
    if record is not None:
        offers.sort(key=lambda one: host_of(one) != host_of(record.offer))
    if not offers:
        raise NoCapacityError(f"{provider.name} offers nothing that meets the need")
    choice = choose(session, market_of_hosts(session, offers, order.wish), spec, force=order.force)
    candidates: list[Prepared] = []
    for offer in offers[: spec.limits.max_tries]:
        judged = next((one for one in choice.passed if is_of(offer, one.row)), None)
        if judged is None or order.wish.region not in (None, offer.region):
            continue
        mine = images.with_pushed_image(session, spec, offer)
        models = model_findings(judged, mine, force=order.force)
        found = [*findings, *answer.findings, *models, *template_findings(mine.templates.folder)]
        candidates.append(Prepared(mine, provider, offer, found, provider.plan(mine, offer)))
    return replace(candidates[0], others=tuple(candidates[1:]))


@dataclass(frozen=True, slots=True)
class _Sale:
    """What somebody sells, judged: all that a candidate is laid out from."""

    session: Session
    order: Order
    answers: dict[str, Answer]
    findings: list[Finding]
    market: Market
    record: Record | None

    def lay_out(self, judged: Judged, offer: Offer, *, is_first: bool) -> Prepared:
        """Lay out one offer; only the first's place is asked about. Raises PreflightError where it can never work."""
        session, order, record, name = self.session, self.order, self.record, offer.provider
        spec = settled(session, order.spec, judged)
        if record and as_deployed(record.spec) == as_deployed(spec) and same_offer(record.offer, offer):
            # As it was recorded, price included: the same plan again.
            offer = record.offer
        plan, checked = lay_out(session, spec, name, offer)
        models = model_findings(judged, spec, force=order.force)
        prices = price_findings(self.market.catalog, judged, self.market.day)
        more = [*checked, *prices, *template_findings(spec.templates.folder)]
        answer = self.answers[name]
        if is_first and isinstance(answer.provider, Bounded):
            more += answer.provider.check_offer(spec, offer)
        findings = list(dict.fromkeys([*self.findings, *answer.findings, *models, *more]))
        refuse_failed(one for one in findings if not (order.force and one in models))
        return Prepared(spec, answer.provider, offer, findings, plan)


def _sold(session: Session, order: Order, answers: list[Answer], findings: list[Finding]) -> Prepared:
    """Prepare for what others sell: the best of the catalog's offers, at the prices of this moment, and the next."""
    wish, spec = order.wish, order.spec
    by_name = {one.provider.name: one for one in answers}
    record = _recorded(session, spec.name, by_name)
    before = record.offer if record else None
    denied = {} if order.ignores_denied else _denied(session)
    told = [one.told(denied, record if record and record.wanted is not Wanted.GONE else None) for one in answers]
    sellers = [one.provider for one in answers]
    without_gpu = [one.name for one in sellers if spec.engine == licence.ECHO and one.capabilities.runs_without_gpu]
    market = market_with(session, replace(wish, providers=tuple(by_name)), told, without_gpu)
    if not market.catalog.rows:
        raise NoCapacityError(f"{', '.join(by_name)} offers nothing that meets the need")
    choice = choose(session, market, spec, force=order.force, before=before)
    return _laid_out(_Sale(session, order, by_name, findings, market, record), _in_turn(choice, told))


def _laid_out(sale: _Sale, candidates: Iterator[tuple[Judged, Offer]]) -> Prepared:
    """Lay out as many candidates as may be tried. Raises what speaks against the first; others are left out for it."""
    tries = sale.order.spec.limits.max_tries
    first = sale.lay_out(*next(candidates), is_first=True)
    others: list[Prepared] = []
    for judged, offer in islice(candidates, _LAID_OUT * tries):
        if len(others) == tries - 1:
            break
        with suppress(PreflightError):
            others.append(sale.lay_out(judged, offer, is_first=False))
    return replace(first, others=tuple(others), sellers=frozenset(sale.answers))


def _in_turn(choice: Choice, told: Iterable[Told]) -> Iterator[tuple[Judged, Offer]]:
    """Yield offers with the best first, one of each host before a second of any."""
    live = [offer for one in told for offer in one.offers]
    ordered = [(judged, offer) for judged in choice.passed for offer in offers_of(judged, live)]
    hosts: set[tuple[str, str]] = set()
    later: list[tuple[Judged, Offer]] = []
    seen: list[Offer] = []
    for judged, offer in ordered:
        if offer in seen:
            continue
        seen.append(offer)
        host = host_of(offer)
        if host is not None and (offer.provider, host) in hosts:
            later.append((judged, offer))
            continue
        hosts.add((offer.provider, host or ""))
        yield judged, offer
    yield from later


def _denied(session: Session) -> dict[tuple[str, str], DeniedHost]:
    """Return the hosts that failed a start not long ago."""
    if not session.has_journal():
        return {}
    with session.journal() as journal:
        return {(one.provider, one.host): one for one in journal.denied_hosts()}


def _recorded(session: Session, name: str, providers: Iterable[str]) -> Record | None:
    """Return what is recorded of that name at one of these providers."""
    known = tuple(providers)
    return next((one for one in session.records() if one.ref.name == name and one.ref.provider in known), None)


def _price(offer: Offer) -> float:
    return float("inf") if offer.price_usd_per_hour is None else offer.price_usd_per_hour


__all__ = ["Order", "Prepared", "as_deployed", "dicts", "prepare", "same_offer"]
