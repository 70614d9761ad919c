"""`deploy --dev`: a deployment that lives as long as this process, with its log, to try things out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from queue import SimpleQueue

from plexctl.contract import Provider, Serving
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
    is_up = was_interrupted = False
    with provider.serve(run.prepared.plan, entry):
        # Caught in here: a client of a provider's may take Ctrl-C for the normal end and say nothing.
        try:
            view = follow_start(session, entry.record, spec.limits.start_timeout_s, entry.reached)
            heard = check_talking(session, view, may_be_busy=False) if run.acting.probe else {}
            is_up = True
            audience.up(view, heard)
            for line in _followed(provider, entry.ref):
                audience.line(line)
        except KeyboardInterrupt:
            was_interrupted = True
    if not was_interrupted:
        raise UnhealthyError(f"{spec.name} ended by itself", hint="its last lines are above")
    if not is_up:
        raise KeyboardInterrupt


def _followed(provider: Provider, ref: Ref) -> Iterator[LogLine]:
    """Yield the log as it comes, read in a thread: Ctrl-C then ends the waiting, not a client's call in its middle."""
    lines: SimpleQueue[LogLine | Exception | None] = SimpleQueue()

    def read() -> None:
        try:
            for line in provider.logs(ref, follow=True, since=None, tail=None):
                lines.put(line)
        except Exception as error:  # noqa: BLE001 - raised again where it is waited for
            lines.put(error)
        else:
            lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while (line := lines.get()) is not None:
        if isinstance(line, Exception):
            raise line
        yield line
