"""`deploy --dev`: a deployment that lives as long as this process, with its log, to try things out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from plexctl.contract import Serving
from plexctl.errors import ConflictError, UnhealthyError, UsageError
from plexctl.flows.bringing import Acting, Run
from plexctl.flows.follow import follow_start
from plexctl.flows.observe import View
from plexctl.flows.preparing import Prepared
from plexctl.flows.probing import check_talking
from plexctl.flows.session import Session
from plexctl.flows.undoing import removed, undone, what_may_be_left
from plexctl.identity import new_id
from plexctl.journal import Entry
from plexctl.locks import mutation_lock
from plexctl.model import LogLine, Ref


def check_serves(session: Session, provider: str) -> None:
    """Raise UsageError for a provider that cannot deploy for as long as this process runs."""
    if isinstance(session.provider(provider), Serving):
        return
    hint = "leave --dev out; `plexctl destroy` ends what a deploy made"
    raise UsageError(f"{provider} has no --dev", hint=hint)


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is told what a served deployment does."""

    up: Callable[[View, dict[str, object]], None]
    """Given what came up, and what the probe heard."""
    line: Callable[[LogLine], None]


def serve(session: Session, prepared: Prepared, acting: Acting, audience: Audience) -> str:
    """Serve until Ctrl-C or SIGTERM, remove it, read that back, and return what is left.

    Raises ConflictError for a name that is taken, UnhealthyError when it does not come up or ends by itself, and
    InterruptedByUser for a Ctrl-C before it is up.
    """
    spec = prepared.spec
    provider = session.provider(prepared.provider.name, acting.secrets, renews_secrets=acting.renews_secrets)
    prepared = replace(prepared, provider=provider)
    with mutation_lock(session.home, spec.name), session.journal() as journal:
        if journal.record(spec.name) is not None:
            hint = f"name another with --name, or `plexctl destroy {spec.name}` first"
            raise ConflictError(f"there is a deployment named {spec.name} already", hint=hint)
        ref = Ref(provider.name, spec.name, new_id())
        journal.begin(ref, spec, prepared.offer)
        try:
            _until_interrupted(Run(session, prepared, journal, acting), journal.entry(ref.id), audience)
            return removed(provider, journal, ref)
        except BaseException as error:
            failed = what_may_be_left(journal, ref)
            raise undone(session, error, lambda: removed(provider, journal, ref), failed) from error


def _until_interrupted(run: Run, entry: Entry, audience: Audience) -> None:
    session, provider, spec = run.session, run.prepared.provider, run.prepared.spec
    if not isinstance(provider, Serving):
        raise TypeError(f"{provider.name} does not serve")
    with provider.serve(run.prepared.plan, entry):
        view = follow_start(session, entry.record, spec.limits.start_timeout_s)
        audience.up(view, check_talking(session, view, may_be_busy=False) if run.acting.probe else {})
        try:
            for line in provider.logs(entry.ref, follow=True, since=None, tail=None):
                audience.line(line)
        except KeyboardInterrupt:
            return
    raise UnhealthyError(f"{spec.name} ended by itself", hint="its last lines are above")
