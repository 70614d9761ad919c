"""`plexctl ssh`: OpenSSH's own client takes this process's place."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from plexctl.cli.options import Json
from plexctl.cli.sessions import name_or_only, open_session
from plexctl.errors import ConfigurationError
from plexctl.output import Output


def ssh(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Deployment; the only one when left out.", show_default=False)
    ] = None,
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[-- COMMAND...]", help="Run this there, and end.", show_default=False)
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Log in to the host of a deployment, or run a command there. With --json: the command line, not run."""
    from plexctl.flows.shell import shell_of

    output = Output(as_json)
    session = open_session(output)
    chosen = name_or_only(session, name)
    argv = [*shell_of(session, chosen), *(command or [])]
    if as_json:
        output.document("ssh", {"name": chosen, "argv": argv})
        return
    sys.stdout.flush()
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell of ours is between
    except OSError as error:
        hint = "install OpenSSH's client; `plexctl ssh --json` prints the command line"
        raise ConfigurationError(f"cannot run {argv[0]}: {error.strerror}", hint=hint) from None
