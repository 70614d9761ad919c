"""`plexctl logs`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from plexctl.cli.options import Json, OptionalName, moment
from plexctl.cli.sessions import name_or_only, open_session
from plexctl.flows.reading import read_logs
from plexctl.model import LogLine
from plexctl.output import Output


def logs(
    name: OptionalName = None,
    tail: Annotated[int | None, typer.Option("--tail", "-n", min=0, help="Only the last lines.")] = None,
    since: Annotated[str | None, typer.Option("--since", help="Only from then on: 10m, 2h or ISO 8601.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until the deployment ends.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Show what a deployment printed. With --json and --follow: one document a line."""
    output = Output(as_json)
    session = open_session(output)
    chosen = name_or_only(session, name)
    lines = read_logs(session, chosen, follow=follow, since=moment(since, "--since", session.now()), tail=tail)
    if as_json and not follow:
        output.document("logs", {"lines": [line_dict(line) for line in lines]})
        return
    for line in lines:
        if as_json:
            output.stream_document(line_dict(line))
        else:
            output.line(f"{_stamp(line)} {line.text}" if line.time else line.text)


def line_dict(line: LogLine) -> dict[str, object]:
    """Return a line as the JSON documents show it."""
    return {"time": _stamp(line) if line.time else None, "text": line.text}


def _stamp(line: LogLine) -> str:
    return datetime.fromtimestamp(line.time or 0, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
