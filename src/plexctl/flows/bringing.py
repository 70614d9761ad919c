"""Bringing a plan up: apply, follow, listen. What to do when that fails is the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from plexctl.flows.faults import host_of
from plexctl.flows.follow import Patience, follow_start, note_start
from plexctl.flows.observe import View
from plexctl.flows.preparing import Prepared
from plexctl.flows.probing import check_talking
from plexctl.flows.session import Session
from plexctl.flows.staging import make
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
class Attempt:
    """One offer that was tried, and what became of it; `seconds` until it was ready, or gone again."""

    offer: Offer
    outcome: str = "ready"
    """A stable word: ready, a `Fault`'s, or the code of the error that ended it all."""
    reason: str = ""
    seconds: float = 0.0

    def to_dict(self) -> dict[str, object]:
        """Return it as the JSON documents show it."""
        return {
            "offer": offer_dict(self.offer),
            "host": host_of(self.offer),
            "outcome": self.outcome,
            "reason": self.reason,
            "seconds": round(self.seconds, 1),
        }


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a deploy ended with."""

    view: View
    findings: list[Finding]
    changed: bool
    probe: dict[str, object]
    attempts: list[Attempt]


def bring_up(run: Run, entry: Entry, *, was_running: bool, patience: Patience | None = None) -> Deployed:
    """Make the plan real, follow it and listen. Raises what `make`, `follow_start` and `check_talking` raise."""
    session, prepared = run.session, run.prepared
    begun = session.monotonic()
    entry.want(Wanted.RUNNING)
    if not was_running:
        note_start(session, entry, prepared.spec)
    limits = prepared.spec.limits
    patience = patience or Patience(min(limits.start_timeout_s, limits.deadline_s or limits.start_timeout_s))
    deployment, patience = make(session, prepared.provider, prepared.plan, entry, patience)
    with session.tunnels.held_for(entry.ref):
        view = follow_start(session, entry.record, patience, entry.reached)
        entry.ready()
        heard = check_talking(session, view, may_be_busy=was_running) if run.acting.probe else {}
    attempt = Attempt(prepared.offer, seconds=session.monotonic() - begun)
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
