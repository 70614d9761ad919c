"""`plexctl doctor`."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from plexctl import config
from plexctl.cli.options import EnvFiles, HubTokenFile, Json
from plexctl.cli.sessions import open_session
from plexctl.errors import UsageError
from plexctl.flows import doctor as flow
from plexctl.flows.session import Session
from plexctl.output import Output


def doctor(
    gpu: Annotated[bool, typer.Option("--gpu", help="Measure this machine's GPU too.")] = False,  # noqa: FBT002
    engine_python: Annotated[
        Path | None, typer.Option("--engine-python", help="Python with torch that measures; the settings' own.")
    ] = None,
    login: Annotated[
        str | None, typer.Option("--login", metavar="PROVIDER", help="Log in there by a browser: ovh.")
    ] = None,
    hf_token_file: HubTokenFile = None,
    env_file: EnvFiles = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Check this machine, its keys and what reaches it; say how to mend each."""
    output = Output(as_json)
    session = open_session(output)
    if login is not None:
        _log_in(output, session, login)
        return
    hub_token = partial(config.hub_token, session.environ, hf_token_file, env_file or ())
    python = _python(session.environ, engine_python) if gpu else None
    findings = flow.examine(session, hub_token, partial(config.load_spec, session.environ, {}), python)
    for finding in findings:
        output.line(f"{finding.level:<4}  {finding.check:<20}  {finding.message}")
        if finding.fix:
            output.line(f"      {'':<20}  fix: {finding.fix}")
    flow.verdict(findings)
    output.document("doctor", {"findings": flow.dicts(findings)})


def _log_in(output: Output, session: Session, name: str) -> None:
    """Walk through a login; what it gives is printed once, as a line for the shell."""

    def confirmed(address: str) -> None:
        output.note(f"open this in a browser, log in, and confirm: {address}")
        output.note("press Enter once that is done; Ctrl-C ends it")
        sys.stdin.readline()

    if output.as_json or not all(stream and stream.isatty() for stream in (sys.stdin, sys.stderr)):
        words = "a login by a browser needs a terminal"
        raise UsageError(words, hint="in CI, use the credentials of a service account")
    found, finding = flow.log_in(session, name, confirmed)
    output.note(finding.message)
    output.line(f"export {found.variable}={shlex.quote(found.value.reveal())}")


def _python(environ: Mapping[str, str], chosen: Path | None) -> str:
    """Return the Python that has torch: as named, as set, or this one, which the extra gpu gives it to."""
    if chosen is not None:
        return str(chosen)
    return config.load_spec(environ, {}).local.engine_python or sys.executable
