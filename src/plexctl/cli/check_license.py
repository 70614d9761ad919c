"""`plexctl check-license`."""

from __future__ import annotations

from typing import Annotated

import typer

from plexctl import config
from plexctl.cli.options import EnvFiles, HubTokenFile, Json, seconds
from plexctl.flows import licence as flow
from plexctl.licence import CHECK_S, Report
from plexctl.model import Level
from plexctl.output import Output
from plexctl.spec import DEFAULT_REPOSITORY

_WAIT_S = 3600.0


def check_license(  # noqa: PLR0913 - a command's signature is its flags
    repo: Annotated[str, typer.Option("--repo", help="Hugging Face repository.")] = DEFAULT_REPOSITORY,
    revision: Annotated[str | None, typer.Option("--revision", help="Commit, branch or tag.")] = None,
    hf_token_file: HubTokenFile = None,
    env_file: EnvFiles = None,
    wait: Annotated[bool, typer.Option("--wait", help="Ask again until it is granted.")] = False,  # noqa: FBT002
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="How long it may take: 20s, with --wait 1h.", show_default=False)
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say whether this token may download the weights."""
    output = Output(as_json)
    limit_s = seconds(timeout, "--timeout")
    environ = config.environment()
    question = flow.question(environ, repo, revision, config.hub_token(environ, hf_token_file, env_file or ()))
    report = flow.wait_for(question, limit_s or _WAIT_S, output) if wait else flow.ask(question, limit_s or CHECK_S)
    for finding in report.findings:
        if finding.level is Level.WARN:
            output.note(f"{finding.level}: {finding.message}")
    report.raise_for_state()
    _show(output, report)


def _show(output: Output, report: Report) -> None:
    output.line(f"{report.repository} at {report.revision}: {report.state}")
    if report.token_source:
        kind = f"{report.token_kind} " if report.token_kind else ""
        output.line(f"  account  {report.account or 'unknown'}, {kind}token from {report.token_source}")
    else:
        output.line("  account  none: it is not gated")
    output.line(f"  licence  {report.licence or 'unknown'}")
    total = report.total_bytes
    size = "size unknown" if total is None else f"{total / 1e9:.2f} GB to download"
    output.line(f"  files    {len(report.files)}, {size}")
    output.document("check-license", report.to_dict())
