"""`deploy`: from a spec to an endpoint that was heard talking, or to nothing.

What this run created is removed again when anything goes wrong, Ctrl-C included; what existed before is left alone.
The same spec again changes nothing. A deployment of the same name with another spec is brought to it in place where
its adapter can (`plexctl.flows.updating`), and replaced elsewhere.
"""

from __future__ import annotations

from dataclasses import replace

from plexctl.contract import Provider
from plexctl.errors import ProviderError
from plexctl.flows import images
from plexctl.flows.bringing import Acting, Deployed, Run, bring_up
from plexctl.flows.candidates import Trial, first_that_comes_up
from plexctl.flows.faults import host_of
from plexctl.flows.follow import look_now, still_of_use
from plexctl.flows.observe import RUNNING, View, asked_provider, provider_status
from plexctl.flows.preparing import Prepared, as_deployed, same_offer
from plexctl.flows.session import Session
from plexctl.flows.undoing import stopped, undone, what_may_be_left, with_consequence
from plexctl.flows.updating import update
from plexctl.identity import new_id
from plexctl.journal import Record, Wanted
from plexctl.locks import mutation_lock
from plexctl.model import Ref
from plexctl.registry import OWN_HARDWARE, THIS_MACHINE
from plexctl.states import State


def deploy(session: Session, prepared: Prepared, acting: Acting) -> Deployed:
    """Make it real, follow it until it is ready, and listen to it.

    Asks before a deployment is replaced, or changed under a conversation. Raises UnhealthyError when it does not come
    up or talk, NoCapacityError, PreflightError or CredentialsError where the provider says so while it comes up.
    """
    name = prepared.provider.name
    provider = session.provider(name, acting.secrets, renews_secrets=acting.renews_secrets)
    prepared = replace(prepared, provider=provider)
    begun = session.monotonic()
    with session.tunnels, mutation_lock(session.home, prepared.spec.name), session.journal() as journal:
        if images.runs_here(prepared.spec):
            prepared = _with_image_here(session, prepared)
        run = Run(session, prepared, journal, acting)
        record = journal.record(prepared.spec.name)
        if record is not None and _is_as_asked(record, prepared):
            return _again(run, record, begun)
        if record is not None and _can_be_updated(record, prepared):
            return update(run, record)
        if record is not None:
            _remove(run, record)
        return first_that_comes_up(Trial(run, _fresh_ref(run), begun))


def _with_image_here(session: Session, prepared: Prepared) -> Prepared:
    """Return what is prepared for an image that is there: before anything that runs is touched."""
    spec = images.with_image_here(session, prepared.spec, prepared.offer)
    return replace(prepared, spec=spec, plan=prepared.provider.plan(spec, prepared.offer))


def _again(run: Run, record: Record, begun: float) -> Deployed:
    """Bring up what is recorded as asked for; what ran already is left as it is when that fails.

    What was never ready, or is gone at its provider, is the first of the attempts. Raises what its provider raises
    when nobody can tell what is there: then nothing was touched.
    """
    session, provider, journal, ref = run.session, run.prepared.provider, run.journal, record.ref
    view = look_now(session, record)
    if view.told is State.UNKNOWN:
        asked_provider(session, record)
        view = look_now(session, record)
    was_running = still_of_use(provider, view)
    if _is_under_way(record, view):
        return first_that_comes_up(Trial(run, ref, begun, is_recorded=True, was_running=was_running))
    try:
        return bring_up(run, journal.entry(ref.id), was_running=was_running)
    except BaseException as error:
        if was_running:
            raise with_consequence(error, f"{ref.name} ran before and was left as it is") from error
        failed = what_may_be_left(journal, ref)
        raise undone(session, error, lambda: stopped(provider, journal, ref), failed) from error


def _is_under_way(record: Record, view: View) -> bool:
    """Tell whether a deploy was cut short before anything was ready, or nothing is left of it."""
    if record.ref.provider == THIS_MACHINE or record.wanted is not Wanted.RUNNING:
        return False
    was_never_ready = record.ready_at is None and view.status.state is not State.READY
    return was_never_ready or view.told is State.MISSING


def _fresh_ref(run: Run) -> Ref:
    """Return a new reference, or one that the provider knows and the journal does not.

    What such a deployment runs is not recorded anywhere, so that it is stopped and comes back with this spec; one at
    another of the providers that were asked would be a second one, and is removed.
    """
    name, provider, session = run.prepared.spec.name, run.prepared.provider, run.session
    known = _known(run, provider, name)
    for other in sorted(run.prepared.sellers - {provider.name}):
        for ref in _known(run, session.provider(other), name):
            _confirm_unrecorded(run, ref, "remove it?")
            session.reporter.note(f"removing {ref.label}, which was at {other} without a record")
            session.provider(other).destroy(ref)
    if not known:
        return Ref(provider.name, name, new_id())
    _confirm_unrecorded(run, known[0], "start it anew with this spec?")
    session.reporter.note(f"adopting {known[0].label}, which was here without a record")
    provider.stop(known[0])
    return known[0]


def _known(run: Run, provider: Provider, name: str) -> list[Ref]:
    """Return what the provider knows of that name; of several own hosts, one that is away keeps nobody from others."""
    try:
        return provider.find(name)
    except ProviderError as error:
        if provider.name not in OWN_HARDWARE:
            raise
        run.session.reporter.note(f"not every host could be asked whether it carries {name}: {error.message}")
        return []


def _confirm_unrecorded(run: Run, ref: Ref, what: str) -> None:
    """Ask before something that is alive is changed."""
    if run.session.provider(ref.provider).status(ref).state in RUNNING:
        run.acting.confirm(f"{ref.name} runs at {ref.provider} without a record of what it runs: {what}")


def _is_as_asked(record: Record, prepared: Prepared) -> bool:
    """Tell whether what is recorded is the same spec on the same offer, and not on its way out."""
    if record.wanted is Wanted.GONE or record.ref.provider != prepared.provider.name:
        return False
    if as_deployed(record.spec) != as_deployed(prepared.spec):
        return False
    if prepared.provider.name in OWN_HARDWARE:
        # It is the same machine, whatever its driver tells of its GPU today.
        return host_of(record.offer) == host_of(prepared.offer)
    return same_offer(record.offer, prepared.offer)


def _can_be_updated(record: Record, prepared: Prepared) -> bool:
    provider = prepared.provider
    if record.wanted is Wanted.GONE or record.ref.provider != provider.name:
        return False
    if not provider.capabilities.updates_in_place:
        return False
    return provider.plan(record.spec, record.offer).place == prepared.plan.place


def _remove(run: Run, record: Record) -> None:
    """Remove what another spec, or a destroy that was cut short, left; asks when it is alive and differs."""
    session, ref = run.session, record.ref
    same = as_deployed(record.spec) == as_deployed(run.prepared.spec) and ref.provider == run.prepared.provider.name
    moved = ref.provider in OWN_HARDWARE and host_of(record.offer) != host_of(run.prepared.offer)
    if (moved or not same) and provider_status(session, record).state in RUNNING:
        what = f"on {host_of(record.offer)}" if same else "with another spec"
        run.acting.confirm(f"{ref.name} runs {what}: replace it?")
    session.reporter.progress(f"removing {ref.label}")
    removal = session.provider(ref.provider).destroy(ref)
    run.journal.entry(ref.id).gone()
    for one in removal.kept:
        session.reporter.note(f"kept at {ref.provider}: {one.kind} {one.name}, {one.why}")
