"""What a deploy knows before it touches anything: findings, the offer at its price of this moment, and the plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from msgspec import structs

from plexctl.catalog.live import offer_of
from plexctl.catalog.wishes import Wish
from plexctl.contract import Bounded, Provider
from plexctl.errors import NoCapacityError, PlexError, PreflightError, ProviderError
from plexctl.flows import images, licence
from plexctl.flows.choosing import choose, market_of, market_with, settled
from plexctl.flows.planning import lay_out, model_findings, price_findings, template_findings
from plexctl.flows.session import Session
from plexctl.journal import Record
from plexctl.licence import Token
from plexctl.model import Finding, Level, Need, Offer, Plan
from plexctl.registry import OWN_HARDWARE
from plexctl.side_by_side import ask_all
from plexctl.spec import Spec

_DEADLINE_S = 300.0
"""For the checks before a deploy, together: a provider may ask to be asked later (429)."""
_LICENCE, _PREFLIGHT, _OFFERS = "licence", "preflight", "offers"


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: the spec, what the offer must be, and the token that the model's hub will get."""

    spec: Spec
    wish: Wish
    hub_token: Token | None = None
    force: bool = False
    """Take what was found unfit."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before anything is touched."""

    spec: Spec
    provider: Provider
    """Without any secret's value: it checks, offers and plans."""
    offer: Offer
    findings: list[Finding]
    plan: Plan


def prepare(session: Session, order: Order) -> Prepared:
    """Check, choose an offer and plan; touches nothing.

    The licence counts first. Raises the errors of `plexctl.licence.errors`, what the adapter's preflight raises,
    PreflightError for what could never work, NoCapacityError when no offer meets the need.
    """
    spec = order.spec
    provider = session.provider(spec.provider or "")
    is_own = provider.name in OWN_HARDWARE
    asked: dict[str, Callable[[], list[Any]]] = {
        _LICENCE: partial(licence.preflight, session, spec, order.hub_token),
        _PREFLIGHT: partial(provider.preflight, spec),
        # By an adapter of its own, since one need not bear two calls at once.
        # All of them: one that an adapter left out would be judged by the catalog's older word.
        _OFFERS: partial(session.provider(provider.name).offers, Need()),
    }
    answers = ask_all(asked, _DEADLINE_S)
    findings = [*_told(answers[_LICENCE]), *_told(answers[_PREFLIGHT])]
    _refuse_failed(findings)
    if is_own:
        return _own(session, order, provider, _told(answers[_OFFERS]), findings)
    return _sold(session, order, provider, answers[_OFFERS], findings)


def dicts(findings: list[Finding]) -> list[dict[str, object]]:
    """Return findings as the JSON documents show them."""
    return [
        {"check": found.check, "level": found.level, "message": found.message, "fix": found.fix} for found in findings
    ]


def same_offer(one: Offer, other: Offer) -> bool:
    """Tell whether two offers are of the same thing in the same place; prices go up and down."""
    return (one.provider, one.gpu, one.count, one.region) == (other.provider, other.gpu, other.count, other.region)


def as_deployed(spec: Spec) -> Spec:
    """Return the spec without what only says how long this run waits."""
    return structs.replace(spec, limits=structs.replace(spec.limits, start_timeout_s=1.0))


def _own(session: Session, order: Order, provider: Provider, offers: list[Offer], findings: list[Finding]) -> Prepared:
    """Prepare for hardware of the user's own: what it offers is what there is."""
    if order.wish.asks_of_gpu:
        choose(session, market_of(session, order.spec, order.wish), order.spec, force=True)
    if not offers:
        raise NoCapacityError(f"{provider.name} offers nothing that meets the need")
    offer = min(offers, key=_price)
    engine: Literal["personaplex", "echo"] = order.spec.engine or ("personaplex" if offer.gpu else "echo")
    # The engine is recorded, so that a start runs it again.
    spec = images.with_pushed_image(session, structs.replace(order.spec, engine=engine), offer)
    return Prepared(spec, provider, offer, findings, provider.plan(spec, offer))


def _sold(
    session: Session, order: Order, provider: Provider, told: list[Any] | Exception, findings: list[Finding]
) -> Prepared:
    """Prepare for what somebody sells: the best of the catalog's offers, at the prices of this moment."""
    wish, name = order.wish, provider.name
    live, unread = _live(told)
    without_gpu = order.spec.engine == licence.ECHO and provider.capabilities.runs_without_gpu
    market = market_with(session, wish, live, without_gpu=without_gpu)
    if not market.catalog.rows:
        raise NoCapacityError(f"{name} offers nothing that meets the need")
    record = _recorded(session, order.spec.name, name)
    before = record.offer if record else None
    chosen = choose(session, market, order.spec, force=order.force, before=before).chosen
    offer, spec = offer_of(chosen, live), settled(session, order.spec, chosen)
    if record and as_deployed(record.spec) == as_deployed(spec) and same_offer(record.offer, offer):
        # As it was recorded, price included: the same plan again.
        offer = record.offer
    plan, checked = lay_out(session, spec, name, offer)
    models = model_findings(chosen, spec, force=order.force)
    more = [*checked, *price_findings(market.catalog, chosen, market.day), *template_findings(spec.templates.folder)]
    more += provider.check_offer(spec, offer) if isinstance(provider, Bounded) else []
    findings = list(dict.fromkeys([*findings, *models, *unread, *more]))
    _refuse_failed([one for one in findings if not (order.force and one in models)])
    return Prepared(spec, provider, offer, findings, plan)


def _told(answer: list[Any] | Exception) -> list[Any]:
    """Return what was answered; raise what was raised."""
    if isinstance(answer, Exception):
        raise _in_words(answer)
    return answer


def _live(answer: list[Any] | Exception) -> tuple[list[Offer], list[Finding]]:
    """Return the live offers; or none, and the finding that says why prices are the catalog's."""
    if not isinstance(answer, Exception):
        return answer, []
    error = _in_words(answer)
    if not isinstance(error, PlexError):
        raise error
    words = f"the provider's own prices could not be read: {error.message}"
    return [], [
        Finding("price-read", Level.WARN, words, "the catalog's are used; `plexctl catalog refresh` tries again")
    ]


def _in_words(error: Exception) -> Exception:
    if type(error) is TimeoutError:
        return ProviderError(f"the checks before a deploy: {error}", hint="check the network, and try again")
    return error


def _refuse_failed(findings: list[Finding]) -> None:
    failed = [finding for finding in findings if finding.level is Level.FAIL]
    if failed:
        more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
        message = f"{failed[0].message}{more}"
        raise PreflightError(message, hint=failed[0].fix, data={"findings": dicts(findings)})


def _recorded(session: Session, name: str, provider: str) -> Record | None:
    """Return what is recorded of that name at that provider."""
    found = (one for one in session.records() if (one.ref.name, one.ref.provider) == (name, provider))
    return next(found, None)


def _price(offer: Offer) -> float:
    return float("inf") if offer.price_usd_per_hour is None else offer.price_usd_per_hour
