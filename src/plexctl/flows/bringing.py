"""Bringing a plan up: apply, follow, listen. What to do when that fails is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from plexctl.flows.follow import end_of, follow_start
from plexctl.flows.observe import View
from plexctl.flows.preparing import Prepared
from plexctl.flows.probing import check_talking
from plexctl.flows.session import Session
from plexctl.journal import Entry, Journal, Wanted
from plexctl.model import Finding, Offer
from plexctl.secret import Secret


@dataclass(frozen=True, slots=True)
class Acting:
    """How a deploy acts: with which secrets, whom it asks, and what it does besides."""

    secrets: Mapping[str, Secret]
    confirm: Callable[[str], None]
    """Returns when the user agrees; raises otherwise."""
    probe: bool = True
    renews_secrets: bool = False


@dataclass(frozen=True, slots=True)
class Run:
    """One deploy under its lock."""

    session: Session
    prepared: Prepared
    journal: Journal
    acting: Acting


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deploy ended with."""

    view: View
    findings: list[Finding]
    changed: bool
    probe: dict[str, object]
    attempts: list[dict[str, object]]


def bring_up(run: Run, entry: Entry, *, was_running: bool) -> Deployed:
    """Apply the plan, follow it and listen. Raises what `apply`, `follow_start` and `check_talking` raise."""
    session, prepared = run.session, run.prepared
    entry.want(Wanted.RUNNING)
    if not was_running:
        entry.expires(end_of(session, prepared.spec))
    deployment = prepared.provider.apply(prepared.plan, entry)
    session.reporter.progress(f"{deployment.ref.label} on {prepared.provider.name}")
    view = follow_start(session, entry.record, prepared.spec.limits.start_timeout_s)
    heard = check_talking(session, view, may_be_busy=was_running) if run.acting.probe else {}
    attempt: dict[str, object] = {"offer": offer_dict(prepared.offer), "outcome": "ready"}
    return Deployed(view, prepared.findings, deployment.changed, heard, [attempt])


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
