"""`plexctl stop`, `plexctl start` and `plexctl destroy`."""

from __future__ import annotations

from typing import Annotated

import typer

from plexctl.catalog.billing import billing_of
from plexctl.cli.options import DryRun, Json, OptionalName, Secrets, TokenFile, Yes
from plexctl.cli.sessions import name_or_only, open_session, secrets_of
from plexctl.flows import operate
from plexctl.flows.finding import refs_of
from plexctl.flows.session import Session
from plexctl.output import Output


def stop(
    name: OptionalName = None,
    yes: Yes = False,  # noqa: FBT002
    dry_run: DryRun = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """End what costs while it runs; `start` brings it back."""
    output = Output(as_json)
    session = open_session(output)
    chosen = name_or_only(session, name)
    if dry_run:
        refs_of(session, chosen)
        output.line(f"would stop {chosen}")
        output.document("stop", {"name": chosen, "dry_run": True, "changed": False})
        return
    lost = operate.lost_by_stop(session, chosen)
    if lost is not None:
        # Elsewhere nothing is lost by stopping; the flag is taken so that scripts can pass it everywhere.
        still = billing_of(session.record(chosen).ref.provider).stopped
        output.confirm(f"{lost}; afterwards: {still}: stop it?", yes=yes)
    ended = operate.stop(session, chosen)
    still_bills = billing_of(ended.ref.provider).stopped
    output.line(f"{chosen} is stopped" if ended.changed else f"{chosen} was stopped already: no change")
    output.line(f"  still bills: {still_bills}")
    data = {"name": chosen, "id": ended.ref.id, "state": "stopped", "changed": ended.changed}
    output.document("stop", data | {"still_bills": still_bills})


def start(
    name: OptionalName = None,
    secret: Secrets = None,
    token_file: TokenFile = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Bring a stopped deployment back and wait until it is ready."""
    output = Output(as_json)
    session = open_session(output, token_file)
    chosen = name_or_only(session, name)
    view, changed = operate.start(session, chosen, lambda names: secrets_of(session, names, secret or []))
    data = view.to_dict(session.now())
    output.line(f"{chosen} is {view.status.state}" if changed else f"{chosen} runs already: no change")
    output.document("start", {"deployment": data, "changed": changed})


def destroy(
    name: OptionalName = None,
    everything: Annotated[  # noqa: FBT002
        bool, typer.Option("--all", help="Images, secrets and weights too, unless others use them.")
    ] = False,
    yes: Yes = False,  # noqa: FBT002
    dry_run: DryRun = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Remove a deployment and everything that belongs to it."""
    output = Output(as_json)
    session = open_session(output)
    chosen = name_or_only(session, name)
    if dry_run:
        listed, shared = operate.doomed(session, chosen, everything=everything)
        output.line(f"would remove {chosen}: {', '.join(listed) or 'its record'}")
        there = _show_holdings(session, output, chosen)
        if shared:
            output.line(f"would keep: {', '.join(shared)}")
        data = {"name": chosen, "dry_run": True, "changed": False, "resources": listed, "kept": shared}
        output.document("destroy", {**data, "holdings": there})
        return
    there = _show_holdings(session, output, chosen)
    more = ", images, secrets and weights included" if everything else ""
    output.confirm(f"remove {chosen} and everything that belongs to it{more}?", yes=yes)
    _show_destroyed(output, chosen, operate.destroy(session, chosen, everything=everything), there)


def _show_holdings(session: Session, output: Output, name: str) -> list[str] | None:
    """Show what goes from the host, and nothing else of it; return it for the document."""
    there = operate.holdings(session, name)
    if there:
        output.line("on the host, by plexctl:")
        for one in there:
            output.line(f"  {one}")
    return there


def _show_destroyed(output: Output, name: str, ended: operate.Ended, there: list[str] | None) -> None:
    output.line(f"{name} is destroyed{'; what remains:' if ended.kept else ': nothing of it is left'}")
    for one in ended.kept:
        output.line(f"  {one.kind} {one.name}: {one.why}")
    for label in ended.others:
        output.line(f"not touched: {label}, of the same name; `plexctl destroy {name} --all` again removes it")
    removed = [{"kind": one.kind, "name": one.name, "id": one.id} for one in ended.removed]
    kept = [{"kind": one.kind, "name": one.name, "why": one.why} for one in ended.kept]
    data = {"name": name, "id": ended.ref.id, "removed": removed, "kept": kept, "changed": ended.changed}
    output.document("destroy", {**data, "others": list(ended.others), "holdings": there})
