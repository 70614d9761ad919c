"""`deploy`: from a spec to an endpoint that was heard talking, or to nothing.

What this run created is removed again when anything goes wrong, Ctrl-C included; what existed before is left alone.
The same spec again changes nothing. A deployment of the same name with another spec is replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from msgspec import structs

from plexctl.contract import Provider
from plexctl.errors import InterruptedByUser, NoCapacityError, PlexError, PreflightError
from plexctl.flows import images, licence
from plexctl.flows.follow import end_of, follow_start, still_of_use
from plexctl.flows.observe import RUNNING, View, provider_status
from plexctl.flows.probing import check_talking
from plexctl.flows.session import Session
from plexctl.identity import new_id
from plexctl.journal import Journal, Record, Wanted
from plexctl.licence import Token
from plexctl.locks import mutation_lock
from plexctl.model import Finding, Level, Need, Offer, Plan, Ref
from plexctl.secret import Secret
from plexctl.spec import Spec


@dataclass(frozen=True, slots=True)
class Prepared:
    """All that is known before anything is touched."""

    spec: Spec
    provider: Provider
    offer: Offer
    findings: list[Finding]
    plan: Plan


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deploy ended with."""

    view: View
    findings: list[Finding]
    changed: bool
    probe: dict[str, object]
    attempts: list[dict[str, object]]


def prepare(session: Session, spec: Spec, secrets: Mapping[str, Secret], hub_token: Token | None = None) -> Prepared:
    """Check, the licence first, choose an offer and plan; touches nothing.

    `hub_token` is the one that the server will get. Raises the errors of `plexctl.licence.errors`, PreflightError for
    what could never work, NoCapacityError when no offer meets the need.
    """
    provider = session.provider(spec.provider or "", secrets)
    findings = [*licence.preflight(session, spec, hub_token), *provider.preflight(spec)]
    failed = [finding for finding in findings if finding.level is Level.FAIL]
    if failed:
        raise PreflightError(failed[0].message, hint=failed[0].fix, data={"findings": dicts(findings)})
    offers = provider.offers(Need())
    if not offers:
        raise NoCapacityError(f"{provider.name} offers nothing that meets the need")
    offer = min(offers, key=_price)
    spec = images.with_pushed_image(session, structs.replace(spec, engine=_engine(spec, offer)), offer)
    return Prepared(spec, provider, offer, findings, provider.plan(spec, offer))


def deploy(session: Session, prepared: Prepared, confirm: Callable[[str], None], *, probe: bool = True) -> Deployed:
    """Make it real, follow it until it is ready, and listen to it.

    `confirm` is asked before a deployment is replaced. Raises UnhealthyError when it does not come up or talk.
    """
    spec = prepared.spec
    with mutation_lock(session.home, spec.name), session.journal() as journal:
        if images.runs_here(spec):
            prepared = _with_image_here(session, prepared)
        record = journal.record(spec.name)
        if record is not None and _must_be_replaced(session, record, prepared, confirm):
            _remove(session, journal, record)
            record = None
        if record is not None:
            return _bring_up(session, prepared, journal, record.ref, created=False, probe=probe)
        ref = _fresh_ref(session, prepared, confirm)
        return _bring_up(session, prepared, journal, ref, created=True, probe=probe)


def _engine(spec: Spec, offer: Offer) -> Literal["personaplex", "echo"]:
    """Return the engine asked for, or the one that the offer can run: recorded, so that a start runs it again."""
    return spec.engine or ("personaplex" if offer.gpu else "echo")


def _with_image_here(session: Session, prepared: Prepared) -> Prepared:
    """Return what is prepared for an image that is there: before anything that runs is touched."""
    spec = images.with_image_here(session, prepared.spec, prepared.offer)
    return replace(prepared, spec=spec, plan=prepared.provider.plan(spec, prepared.offer))


def dicts(findings: list[Finding]) -> list[dict[str, object]]:
    """Return findings as the JSON documents show them."""
    return [
        {"check": found.check, "level": found.level, "message": found.message, "fix": found.fix} for found in findings
    ]


def _bring_up(
    session: Session, prepared: Prepared, journal: Journal, ref: Ref, *, created: bool, probe: bool
) -> Deployed:
    entry = journal.entry(ref.id)
    was_running = not created and still_of_use(session, prepared.provider, entry.record)
    try:
        if created:
            _begin(journal, prepared, ref)
        entry.want(Wanted.RUNNING)
        if not was_running:
            entry.expires(end_of(session, prepared.spec))
        deployment = prepared.provider.apply(prepared.plan, entry)
        session.reporter.progress(f"{deployment.ref.label} on {prepared.provider.name}")
        view = follow_start(session, entry.record, prepared.spec.limits.start_timeout_s)
        heard = check_talking(session, view, may_be_busy=was_running) if probe else {}
    except BaseException as error:
        if was_running:
            raise _with_consequence(error, f"{ref.name} ran before and was left as it is") from error
        try:
            failure = _rolled_back(session, prepared.provider, journal, ref, error, created=created)
        except KeyboardInterrupt as second:
            left = f"removing it was interrupted too: run `plexctl destroy {ref.name}`"
            failure = _with_consequence(second, left)
        raise failure from error
    attempt: dict[str, object] = {"offer": offer_dict(prepared.offer), "outcome": "ready"}
    return Deployed(view, prepared.findings, deployment.changed, heard, [attempt])


def _rolled_back(
    session: Session, provider: Provider, journal: Journal, ref: Ref, error: BaseException, *, created: bool
) -> BaseException:
    """Remove what this run made (or stop what it started) and return the error that says so."""
    session.reporter.note("it did not come up: removing what was made")
    try:
        record = journal.record(ref.name)
        if record is None:
            left = "nothing of it is left"
        elif created:
            provider.destroy(record.ref)
            journal.entry(ref.id).gone()
            left = "nothing of it is left"
        else:
            provider.stop(record.ref)
            journal.entry(ref.id).want(Wanted.STOPPED)
            left = "it is stopped"
    except PlexError as second:
        left = f"and removing it failed ({second}): run `plexctl destroy {ref.name}`"
    return _with_consequence(error, left)


def _with_consequence(error: BaseException, left: str) -> BaseException:
    if isinstance(error, KeyboardInterrupt):
        return InterruptedByUser(f"interrupted; {left}")
    if isinstance(error, PlexError):
        error.message = f"{error.message}; {left}"
        return error
    error.add_note(left)
    return error


def _fresh_ref(session: Session, prepared: Prepared, confirm: Callable[[str], None]) -> Ref:
    """Return a new reference, or one that the provider knows and the journal does not.

    What such a deployment runs is not recorded anywhere, so that it is stopped and comes back with this spec.
    """
    name, provider = prepared.spec.name, prepared.provider
    known = provider.find(name)
    if not known:
        return Ref(provider.name, name, new_id())
    if provider.status(known[0]).state in RUNNING:
        confirm(f"{name} runs without a record of what it runs: start it anew with this spec?")
    session.reporter.note(f"adopting {known[0].label}, which was here without a record")
    provider.stop(known[0])
    return known[0]


def _begin(journal: Journal, prepared: Prepared, ref: Ref) -> None:
    if ref.resources:
        journal.adopt(ref, prepared.spec, prepared.offer, None)
    else:
        journal.begin(ref, prepared.spec, prepared.offer)


def _must_be_replaced(session: Session, record: Record, prepared: Prepared, confirm: Callable[[str], None]) -> bool:
    """Tell whether the recorded deployment must go first; asks when it is alive and differs."""
    same = _as_deployed(record.spec) == _as_deployed(prepared.spec) and record.ref.provider == prepared.provider.name
    if same and record.wanted is not Wanted.GONE:
        return False
    if not same and provider_status(session, record).state in RUNNING:
        confirm(f"{record.ref.name} runs with another spec: replace it?")
    return True


def _as_deployed(spec: Spec) -> Spec:
    """Return the spec without what only says how long this run waits."""
    return structs.replace(spec, limits=structs.replace(spec.limits, start_timeout_s=1.0))


def _remove(session: Session, journal: Journal, record: Record) -> None:
    session.reporter.progress(f"removing {record.ref.label}")
    session.provider(record.ref.provider).destroy(record.ref)
    journal.entry(record.ref.id).gone()


def offer_dict(offer: Offer) -> dict[str, object]:
    """Return an offer as the JSON documents show it."""
    return {
        "provider": offer.provider,
        "gpu": offer.gpu,
        "count": offer.count,
        "region": offer.region,
        "price_usd_per_hour": offer.price_usd_per_hour,
        "source": offer.source,
        "as_of": offer.as_of,
    }


def _price(offer: Offer) -> float:
    return float("inf") if offer.price_usd_per_hour is None else offer.price_usd_per_hour
