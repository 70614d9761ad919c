"""`plexctl stop`, `plexctl start` and `plexctl destroy`."""

from __future__ import annotations

from plexctl.cli.options import DryRun, Json, OptionalName, Secrets, TokenFile, Yes
from plexctl.cli.sessions import name_or_only, open_session, secrets_of
from plexctl.flows import operate
from plexctl.output import Output


def stop(
    name: OptionalName = None,
    yes: Yes = False,  # noqa: FBT002
    dry_run: DryRun = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """End what costs while it runs; `start` brings it back."""
    del yes  # Nothing is lost by stopping; the flag is taken so that scripts can pass it everywhere.
    output = Output(as_json)
    session = open_session(output)
    chosen = name_or_only(session, name)
    if dry_run:
        operate.known_refs(session, chosen)
        output.line(f"would stop {chosen}")
        output.document("stop", {"name": chosen, "dry_run": True, "changed": False})
        return
    ended = operate.stop(session, chosen)
    output.line(f"{chosen} is stopped" if ended.changed else f"{chosen} was stopped already: no change")
    output.document("stop", {"name": chosen, "id": ended.ref.id, "state": "stopped", "changed": ended.changed})


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
    yes: Yes = False,  # noqa: FBT002
    dry_run: DryRun = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Remove a deployment and everything that belongs to it."""
    output = Output(as_json)
    session = open_session(output)
    chosen = name_or_only(session, name)
    if dry_run:
        refs = operate.known_refs(session, chosen)
        listed = [f"{resource.kind} {resource.name}" for ref in refs for resource in ref.resources]
        output.line(f"would remove {chosen}: {', '.join(listed) or 'its record'}")
        output.document("destroy", {"name": chosen, "dry_run": True, "changed": False, "resources": listed})
        return
    output.confirm(f"remove {chosen} and everything that belongs to it?", yes=yes)
    ended = operate.destroy(session, chosen)
    removed = [{"kind": r.kind, "name": r.name, "id": r.id} for r in ended.removed]
    output.line(f"{chosen} is destroyed: nothing of it is left")
    for one in ended.kept:
        output.line(f"  kept: {one.kind} {one.name}, {one.why}")
    kept = [{"kind": one.kind, "name": one.name, "why": one.why} for one in ended.kept]
    data = {"name": chosen, "id": ended.ref.id, "removed": removed, "kept": kept, "changed": True}
    output.document("destroy", data)
