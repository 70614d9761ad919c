"""Bringing a deployment to another spec in place; when that fails it gets its former spec back.

The new spec is recorded before anything is changed: a run that is killed half way leaves a journal that says what was
wanted, and the next `deploy` or `start` brings it there.
"""

from __future__ import annotations

from collections.abc import Callable

from plexctl.flows.bringing import Deployed, Run, bring_up
from plexctl.flows.follow import Patience, look_now, still_of_use
from plexctl.flows.observe import View
from plexctl.flows.staging import make
from plexctl.flows.undoing import stopped, undone
from plexctl.journal import Record

REDEPLOY = "redeploy"
"""The action of a plan's step, or the check of a finding, that says what becomes of conversations during a redeploy."""


def update(run: Run, record: Record) -> Deployed:
    """Record the new spec, apply the new plan, follow and listen; asks when somebody talks to it.

    Raises what `bring_up` raises, with what is true after the former spec was applied again.
    """
    session, prepared, ref = run.session, run.prepared, record.ref
    view = look_now(session, record)
    was_running = still_of_use(prepared.provider, view)
    _ask_about_conversations(run, view)
    entry = run.journal.entry(ref.id)
    session.reporter.progress(f"bringing {ref.label} to the new spec")
    entry.respec(prepared.spec, prepared.offer)
    try:
        return bring_up(run, entry, was_running=was_running)
    except BaseException as error:
        raise undone(
            session, error, lambda: _put_back(run, record, was_running=was_running), _failed(ref.name)
        ) from error


def _ask_about_conversations(run: Run, view: View) -> None:
    if view.health is None or not view.health.busy:
        return
    prepared = run.prepared
    told = [step.detail for step in prepared.plan.steps if step.action == REDEPLOY]
    told += [found.message for found in prepared.findings if found.check == REDEPLOY]
    becomes = "; ".join(told) or "they may be cut"
    run.acting.confirm(f"{view.health.busy} conversation(s) run on {view.record.ref.name} ({becomes}): go on?")


def _put_back(run: Run, record: Record, *, was_running: bool) -> str:
    """Apply what was recorded before; return what is true then."""
    session, provider, name = run.session, run.prepared.provider, record.ref.name
    entry = run.journal.entry(record.ref.id)
    entry.respec(record.spec, record.offer)
    entry.expires(record.expires_at)
    if not was_running:
        return f"{name} has its former spec back, and {stopped(provider, run.journal, record.ref)}"
    make(
        session, provider, provider.plan(record.spec, record.offer), entry, Patience(record.spec.limits.start_timeout_s)
    )
    return f"{name} has its former spec back"


def _failed(name: str) -> Callable[[str], str]:
    def words(reason: str) -> str:
        return f"putting back the former spec {reason}: `plexctl deploy` or `plexctl start {name}` tries again"

    return words
