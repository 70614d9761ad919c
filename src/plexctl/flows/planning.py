"""`plan` and `gpus`: which offer, at what price, and what would be done; from the catalog, without network or keys.

Hardware of the user's own is asked of its adapter, which looks at this machine; nothing else is asked of anybody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

from plexctl.catalog import Catalog, age_days, is_stale, load, today
from plexctl.catalog.billing import billing_of
from plexctl.catalog.judging import Judged, Kind, judge, refusal
from plexctl.catalog.wishes import Wish, check_region
from plexctl.errors import PreflightError
from plexctl.flows.choosing import Considered, choose, considered_dict, looks_at, market_of, settled
from plexctl.flows.licence import ECHO, question
from plexctl.flows.session import Session
from plexctl.gpus import PERSONAPLEX_7B, Checkpoint, budget, cpu_offload_finding, read_checkpoint, saved_measurements
from plexctl.licence import Token
from plexctl.model import Finding, Level, Offer, Plan
from plexctl.nearest import nearest
from plexctl.registry import PURE, pure_half
from plexctl.rendering import own_templates, template_names
from plexctl.spec import Spec

_LICENCE = Finding("licence", Level.OK, "not asked for: a plan asks nobody", "`plexctl check-license` asks the Hub")


@dataclass(frozen=True, slots=True)
class Planned:
    """What would be done, and everything that was weighed."""

    spec: Spec
    chosen: Judged
    plan: Plan
    findings: list[Finding]
    considered: list[Considered]
    day: date
    checkpoint: Checkpoint


def offers(session: Session, wish: Wish) -> tuple[Catalog, list[Judged], date]:
    """Return the catalog, the offers that are as wished for, cheapest conversation first, and the day of the ages."""
    catalog, day = load(session.home), today(session.environ, session.now())
    check_region(wish, catalog)
    judged = judge(catalog, wish, catalog.rows, saved_measurements(session.home))
    asked = [one for one in judged if (found := refusal(one, wish)) is None or found.kind is Kind.STOCK]
    return catalog, sorted(asked, key=lambda one: one.by_price), day


def plan(
    session: Session,
    spec: Spec,
    wish: Wish,
    *,
    checkpoint: Checkpoint = PERSONAPLEX_7B,
    force: bool = False,
    is_elsewhere: bool = False,
) -> Planned:
    """Choose an offer and lay out what would be done; touches nothing.

    GPUs are judged for `checkpoint`: the 7B model's, unless the model's own was read (`read_model`). With
    `is_elsewhere` it is laid out to be used on another machine: what this one lacks is told, no more. Raises
    PreflightError when what was asked for could never serve, NoCapacityError when nobody offers it; both say
    why, offer by offer.
    """
    market = market_of(session, spec, wish)
    choice = choose(session, market, spec, checkpoint=checkpoint, force=force)
    chosen = choice.chosen
    spec = settled(session, spec, chosen)
    mine, models = _own_findings(session, spec, chosen), model_findings(chosen, spec, force=force)
    findings = [*mine, *models, *([_LICENCE] if models else [])]
    binding = ([] if is_elsewhere else mine) + ([] if force else models)
    failed = [found for found in binding if found.level is Level.FAIL]
    if failed:
        raise PreflightError(failed[0].message, hint=failed[0].fix, data={"findings": _dicts(findings)})
    findings += price_findings(market.catalog, chosen, market.day)
    findings += template_findings(spec.templates.folder)
    laid_out, more = lay_out(session, spec, chosen.row.provider, chosen.offer)
    return Planned(spec, chosen, laid_out, findings + more, choice.considered, market.day, checkpoint)


def read_model(environ: Mapping[str, str], spec: Spec, token: Token | None) -> Checkpoint:
    """Return the size of the spec's own model, from its checkpoint's header on the Hub.

    Raises what `read_checkpoint` and `licence.question` raise.
    """
    asked = question(environ, spec.model.repo, spec.model.revision, token)
    secret = token.value if token else None
    return read_checkpoint(asked.repository, asked.revision, secret, endpoint=asked.endpoint)


def price_findings(catalog: Catalog, chosen: Judged, day: date) -> list[Finding]:
    """Say what a reader must know of a price before believing it."""
    row = chosen.row
    if row.price == 0:
        return [Finding("price", Level.OK, f"nothing is billed: {row.source}")]
    age = age_days(row.as_of, day)
    said = f"price of {row.as_of} ({age} days old), from {row.source}"
    fix = "`plexctl catalog refresh` reads the provider's own"
    found = []
    if row.price is None:
        found.append(Finding("price", Level.WARN, f"the price is unknown: {row.source}", fix))
    elif is_stale(row.as_of, day):
        found.append(Finding("price", Level.WARN, f"stale {said}", fix))
    else:
        found.append(Finding("price", Level.OK, said))
    if chosen.is_converted:
        rate = catalog.rates[row.currency]
        words = f"{row.price:g} {row.currency} at {rate.usd:g} USD of {rate.as_of} ({rate.source})"
        found.append(Finding("currency", Level.WARN, f"billed in {row.currency}: {words}"))
    if row.note:
        found.append(Finding("price-scope", Level.WARN, row.note))
    failure = catalog.failures.get(row.provider)
    if failure is not None:
        found.append(Finding("catalog", Level.WARN, f"the refresh of {failure.at} failed: {failure.message}", fix))
    return found


def template_findings(folder: str) -> list[Finding]:
    """Say which templates of the user's stand before plexctl's, and which are called as none of them."""
    used, unknown = own_templates(folder)
    found = [Finding("templates", Level.OK, f"your own, from {folder}: {', '.join(used)}")] if used else []
    for name in unknown:
        words = f"{folder}/{name} takes no template's place{nearest(name, template_names())}"
        found.append(Finding("templates", Level.WARN, words, "give it the name of the one that it should replace"))
    return found


def calls(plan: Plan) -> list[dict[str, object]]:
    """Return what would be sent or started, one entry for each resource, from the plan's own bodies."""
    shown: list[dict[str, object]] = []
    for resource in plan.resources:
        body = dict(resource.body)
        call: dict[str, object] = {"resource": f"{resource.kind} {resource.name}"}
        for key in ("method", "host", "path", "query", "argv"):
            if key in body:
                call[key] = body.pop(key)
        shown.append({**call, "body": body.get("json", body)})
    return shown


def _own_findings(session: Session, spec: Spec, chosen: Judged) -> list[Finding]:
    """Return what the adapter of the user's own hardware finds there, as `deploy` would."""
    if not looks_at(chosen.row.provider):
        return []
    return session.provider(chosen.row.provider).preflight(spec)


def model_findings(chosen: Judged, spec: Spec, *, force: bool) -> list[Finding]:
    """Return what must be known of the offer's GPU: memory, real time, and what offloading does."""
    found = chosen.assessment
    if spec.engine == ECHO:
        return []
    if found is None:
        return [] if looks_at(chosen.row.provider) else [_unseen(chosen)]
    more = [cpu_offload_finding(found.fit, force=force)] if spec.model.cpu_offload else []
    return [*found.findings, *more]


def _unseen(chosen: Judged) -> Finding:
    message = f"which GPU a host of {chosen.row.provider} has is known only when a deploy logs in to it"
    return Finding("gpu-memory", Level.WARN, message, "run `plexctl doctor --gpu` there")


def lay_out(session: Session, spec: Spec, provider: str, offer: Offer) -> tuple[Plan, list[Finding]]:
    """Return the plan and what its adapter says of the spec, asking nobody; own hardware is asked by its preflight."""
    if provider not in PURE:
        return session.provider(provider).plan(spec, offer), []
    half = pure_half(provider)
    return half.build_plan(spec, offer), [] if looks_at(provider) else half.check(spec, offer)


def _dicts(findings: Iterable[Finding]) -> list[dict[str, object]]:
    return [{"check": one.check, "level": one.level, "message": one.message, "fix": one.fix} for one in findings]


def to_dict(planned: Planned) -> dict[str, object]:
    """Return a plan as the JSON documents show it."""
    chosen, laid_out = planned.chosen, planned.plan
    shown = chosen.to_dict(planned.day)
    price = {
        "usd_per_hour": chosen.usd_per_hour,
        "usd_per_conversation_hour": chosen.usd_per_conversation_hour,
        "per_hour": chosen.row.price,
        "currency": chosen.row.currency,
        **{key: shown[key] for key in ("is_converted", "source", "as_of", "age_days", "is_stale")},
    }
    return {
        "name": planned.spec.name,
        "provider": laid_out.provider,
        "steps": [{"action": one.action, "subject": one.subject, "detail": one.detail} for one in laid_out.steps],
        "resources": [{"kind": one.kind, "name": one.name, "body": dict(one.body)} for one in laid_out.resources],
        "secrets": list(laid_out.secrets),
        "offer": shown,
        "price": price,
        "budget": [{"part": part, "gib": round(gib, 2)} for part, gib in budget(planned.checkpoint).rows()],
        "checkpoint": {
            "source": planned.checkpoint.source,
            "parameters": planned.checkpoint.parameters,
            "weight_bytes": planned.checkpoint.weight_bytes,
        },
        "billing": billing_of(laid_out.provider).to_dict(),
        "findings": _dicts(planned.findings),
        "considered": [considered_dict(one, planned.day) for one in planned.considered],
    }
