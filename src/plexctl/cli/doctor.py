"""`plexctl doctor`."""

from __future__ import annotations

from typing import Annotated

import typer

from plexctl.cli.options import Json
from plexctl.cli.sessions import open_session
from plexctl.flows import doctor as flow
from plexctl.output import Output


def doctor(
    gpu: Annotated[bool, typer.Option("--gpu", help="Measure this machine's GPU too (needs the extra gpu).")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Check this machine, its keys and what reaches it; say how to mend each."""
    output = Output(as_json)
    findings = flow.examine(open_session(output), gpu=gpu)
    for finding in findings:
        output.line(f"{finding.level:<4}  {finding.check:<20}  {finding.message}")
        if finding.fix:
            output.line(f"      {'':<20}  fix: {finding.fix}")
    flow.verdict(findings)
    output.document("doctor", {"findings": flow.dicts(findings)})
