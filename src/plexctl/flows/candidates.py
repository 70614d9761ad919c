"""Trying offers in turn until one comes up: what an attempt made is read back as gone before the next one begins.

All attempts are of one deployment, whose record names the offer that is under way: whatever ends this process, the
next command knows where to look. A removal that fails ends it all, so that there are never two.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

from plexctl.contract import Bounded, Provider
from plexctl.errors import ConflictError, NoCapacityError, PlexError, PreflightError, ProviderError
from plexctl.flows.asking import refuse_failed
from plexctl.flows.bringing import Attempt, Deployed, Run, bring_up
from plexctl.flows.faults import Fault, blames_host, fault_of, host_of
from plexctl.flows.follow import Patience
from plexctl.flows.preparing import Prepared
from plexctl.flows.undoing import NOTHING_LEFT, left_by, removed, undone, what_may_be_left
from plexctl.journal import DeniedHost, Entry
from plexctl.model import Offer, Ref
from plexctl.registry import OWN_HARDWARE

DENIED_S = 24 * 3600.0
"""How long a host that failed a start is left alone."""
_STANDSTILL_S = 600.0
"""How long a start on somebody's machine may stand still: neither provider nor gateway says anything new."""
_OF_ONE_HOST = (ProviderError, PreflightError, ConflictError)
"""What is wrong with one of the user's own hosts; whom to believe there is the user's to say, and ends it all."""
_REASON = 300
"""Letters of a reason that are kept."""


_MENDS_OWN = "mend one of these hosts, or name others with --host"
_MENDS_RENTED = (
    "hosts that failed are left out for a day: deploy again, ask for less, or raise --max-tries or --deadline"
)


class LeftBehindError(ProviderError):
    """What a failed attempt made could not be removed: nothing else may be made."""


@dataclass(slots=True)
class Trial:
    """The attempts of one deploy at one deployment."""

    run: Run
    ref: Ref
    begun: float
    """By the session's monotonic clock."""
    is_recorded: bool = False
    """The deployment is in the journal, with the first offer; something of it may be at its provider."""
    was_running: bool = False
    attempts: list[Attempt] = field(default_factory=list)
    left: str = NOTHING_LEFT

    @property
    def entry(self) -> Entry:
        """The deployment in the journal."""
        return self.run.journal.entry(self.ref.id)

    @property
    def left_s(self) -> float:
        """How long the whole deploy may go on."""
        limits = self.run.prepared.spec.limits
        deadline_s = 2 * limits.start_timeout_s if limits.deadline_s is None else limits.deadline_s
        return self.begun + deadline_s - self.run.session.monotonic()

    def provider(self, name: str) -> Provider:
        """Return the adapter that acts: with the secrets."""
        acting = self.run.acting
        return self.run.session.provider(name, acting.secrets, renews_secrets=acting.renews_secrets)


def first_that_comes_up(trial: Trial) -> Deployed:
    """Try what is prepared in turn.

    What fails for a reason that no other offer mends is raised at once. Raises NoCapacityError when none came up,
    LeftBehindError when one could not be removed; the attempts are in their data.
    """
    try:
        deployed = _try_in_turn(trial)
    except LeftBehindError:
        raise
    except BaseException as error:
        failed = what_may_be_left(trial.run.journal, trial.ref)
        told = undone(trial.run.session, error, lambda: _taken_back(trial), failed)
        raise _with_attempts(told, trial) from error
    if deployed is None:
        trial.entry.gone()
        raise _none_came_up(trial)
    return deployed


def offer_words(offer: Offer) -> str:
    """Return an offer in a few words."""
    price = "an unknown price" if offer.price_usd_per_hour is None else f"{offer.price_usd_per_hour:.2f} USD/hour"
    host = host_of(offer)
    where = f" in {offer.region}" if offer.region not in (None, host) else ""
    return f"{offer.provider} {offer.gpu or 'no GPU'}{where}{f', host {host}' if host else ''}, {price}"


def _try_in_turn(trial: Trial) -> Deployed | None:
    """Return what came up; None when several were tried and removed again."""
    prepared = trial.run.prepared.all
    bad: set[tuple[str, str | None]] = set()
    for candidate in prepared:
        key = (candidate.offer.provider, host_of(candidate.offer))
        if key in bad:
            continue
        if trial.attempts and trial.left_s <= 0:
            break
        begun = trial.run.session.monotonic()
        try:
            return _attempt(trial, candidate, begun)
        except Exception as error:
            fault = _fault(error, candidate)
            if fault is not None and blames_host(fault):
                bad |= {key} if key[1] else set()
                _deny(trial, candidate.offer, _reason(error))
            if fault is None or _is_alone(prepared):
                if trial.attempts:
                    _note(trial, candidate.offer, error, begun, error.code if isinstance(error, PlexError) else "bug")
                raise
            _give_up(trial, candidate.offer, error, begun, fault)
    return None


def _is_alone(prepared: tuple[Prepared, ...]) -> bool:
    """Tell whether there was nothing to choose: its own error then says more than that nothing is left."""
    return len(prepared) == 1 and not prepared[0].provider.capabilities.offers_are_stock


def _attempt(trial: Trial, candidate: Prepared, begun: float) -> Deployed:
    """Record the offer, bring it up and listen."""
    run, entry, session = trial.run, trial.entry, trial.run.session
    spec, offer = candidate.spec, candidate.offer
    candidate = replace(candidate, provider=trial.provider(candidate.provider.name))
    if trial.attempts:
        session.reporter.note(f"trying the next: {offer_words(offer)}")
        if isinstance(candidate.provider, Bounded):
            refuse_failed(candidate.provider.check_offer(spec, offer))
        entry.retry(candidate.provider.name, spec, offer)
    elif trial.ref.resources and not trial.is_recorded:
        run.journal.adopt(trial.ref, spec, offer, None)
    elif not trial.is_recorded:
        run.journal.begin(trial.ref, spec, offer)
    is_rented = host_of(offer) is not None and offer.provider not in OWN_HARDWARE
    patience = Patience(min(spec.limits.start_timeout_s, trial.left_s), _STANDSTILL_S if is_rented else None)
    was_running = trial.was_running and not trial.attempts
    deployed = bring_up(replace(run, prepared=candidate), entry, was_running=was_running, patience=patience)
    return replace(deployed, attempts=[*trial.attempts, Attempt(offer, seconds=session.monotonic() - begun)])


def _fault(error: Exception, candidate: Prepared) -> Fault | None:
    """Return why another offer may do better; who scales by itself has chosen the machine, and will again."""
    if candidate.provider.name in OWN_HARDWARE and isinstance(error, _OF_ONE_HOST):
        return Fault.BAD_HOST
    fault = fault_of(error)
    if candidate.provider.capabilities.scale_to_zero and fault is not Fault.NO_CAPACITY:
        return None
    return fault


def _give_up(trial: Trial, offer: Offer, error: Exception, begun: float, fault: Fault) -> None:
    """Remove what an attempt made, and note why it was given up. Raises LeftBehindError."""
    session, reason = trial.run.session, _reason(error)
    session.reporter.note(f"{offer_words(offer)}: {reason}; removing what was made there")
    failed = what_may_be_left(trial.run.journal, trial.ref)
    record = trial.entry.record
    try:
        made = record.ref.resources
        trial.left = left_by(trial.provider(record.ref.provider).destroy(record.ref)) if made else NOTHING_LEFT
    except Exception as second:
        _note(trial, offer, error, begun, str(fault))
        why = second.message if isinstance(second, PlexError) else type(second).__name__
        bills = "" if offer.provider in OWN_HARDWARE else "it may bill on: "
        hint = f"{bills}`plexctl destroy {trial.ref.name}` ends it; no other offer was tried"
        left = LeftBehindError(f"{reason}; {failed(f'failed too ({why})')}", hint=hint)
        raise _with_attempts(left, trial) from second
    _note(trial, offer, error, begun, str(fault))


def _note(trial: Trial, offer: Offer, error: Exception, begun: float, outcome: str) -> None:
    """Put an attempt that failed in the table."""
    trial.attempts.append(Attempt(offer, outcome, _reason(error), trial.run.session.monotonic() - begun))


def _deny(trial: Trial, offer: Offer, reason: str) -> None:
    """Remember a host that failed: the one that was made use of, which may be another than the offer's.

    Never one of the user's own.
    """
    if offer.provider in OWN_HARDWARE:
        return
    made = (one.detail.get("host") for one in trial.entry.ref.resources)
    host = next((one for one in made if one), host_of(offer))
    if host is not None:
        until = trial.run.session.now() + DENIED_S
        trial.run.journal.deny(DeniedHost(offer.provider, host, reason, until))


def _taken_back(trial: Trial) -> str:
    record = trial.run.journal.record(trial.ref.name)
    name = trial.run.prepared.provider.name if record is None else record.ref.provider
    return removed(trial.provider(name), trial.run.journal, trial.ref)


def _none_came_up(trial: Trial) -> PlexError:
    tried = [f"{offer_words(one.offer)}: {one.reason}" for one in trial.attempts]
    late = "; the deadline is over" if trial.left_s <= 0 else ""
    count = f"{len(tried)} offer{'s' * (len(tried) > 1)}"
    words = f"{trial.ref.name} came up on none of {count} tried{late} ({'; '.join(tried)}); {trial.left}"
    hint = _MENDS_OWN if trial.attempts[0].offer.provider in OWN_HARDWARE else _MENDS_RENTED
    return _with_attempts(NoCapacityError(words, hint=hint), trial)


Failure = TypeVar("Failure", bound=BaseException)


def _with_attempts(error: Failure, trial: Trial) -> Failure:
    """Return the error with the table of attempts in its data."""
    if isinstance(error, PlexError) and trial.attempts:
        data = error.data if isinstance(error.data, dict) else {}
        error.data = {**data, "attempts": [one.to_dict() for one in trial.attempts]}
    return error


def _reason(error: BaseException) -> str:
    """Return why, in one line that is not too long."""
    words = error.message if isinstance(error, PlexError) else type(error).__name__
    return " ".join(words.split())[:_REASON]
