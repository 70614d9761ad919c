"""`plexctl scale`."""

from __future__ import annotations

from typing import Annotated

import typer

from plexctl.cli.options import DryRun, Json, OptionalName, Secrets, TokenFile, Yes
from plexctl.cli.sessions import name_or_only, open_session, secrets_of
from plexctl.errors import UsageError
from plexctl.flows.scaling import prepare_scaling
from plexctl.flows.scaling import scale as flow
from plexctl.output import Output


def scale(  # noqa: PLR0913 - a command's signature is its flags
    name: OptionalName = None,
    least: Annotated[int | None, typer.Option("--min", min=0, help="Replicas kept up although nobody calls.")] = None,
    most: Annotated[int | None, typer.Option("--max", min=1, help="Replicas at most.")] = None,
    secret: Secrets = None,
    token_file: TokenFile = None,
    yes: Yes = False,  # noqa: FBT002
    dry_run: DryRun = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Change how many replicas are kept up, and how many there may be."""
    output = Output(as_json)
    session = open_session(output, token_file)
    if least is None and most is None:
        raise UsageError("to how many? Neither --min nor --max is given", hint="--min 0 --max 1 scales to zero")
    chosen = name_or_only(session, name)
    scaling = prepare_scaling(session, chosen, least, most)
    before, after = scaling.before, scaling.after
    if after.least > before.least and not dry_run:
        output.confirm(f"{chosen}: {scaling.bills}: go on?", yes=yes)
    changed = not dry_run and flow(session, scaling, lambda names: secrets_of(session, names, secret or []))
    verb = "would have" if dry_run else ("has" if changed else "had already")
    when = ", from the next start on" if scaling.is_stopped else ""
    output.line(f"{chosen} {verb} {after.least} to {after.most} replicas{when}")
    output.line(f"  {scaling.bills}")
    data = {"name": chosen, "id": scaling.record.ref.id, "min": after.least, "max": after.most, "changed": changed}
    output.document("scale", data | {"dry_run": dry_run, "bills": scaling.bills})
