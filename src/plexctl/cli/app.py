"""The command line as Typer sees it: the one command that was asked for, and a line for each of the others."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from plexctl import __version__
from plexctl.cli.options import Json
from plexctl.cli.table import COMMANDS
from plexctl.errors import UsageError
from plexctl.output import Output


def build_app(chosen: str | None) -> typer.Typer:
    """Return the app with the command `chosen` in full; no other command's module is imported."""
    app = typer.Typer(
        name="plexctl",
        help="Deploy NVIDIA PersonaPlex to any GPU with one command, and hear that it talks.",
        epilog="Start with: plexctl deploy --provider local",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        pretty_exceptions_show_locals=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(invoke_without_command=True)(root)
    for name, command in COMMANDS.items():
        if name == chosen:
            module = import_module(f"plexctl.cli.{command.module}")
            app.command(name)(getattr(module, command.function))
        else:
            app.command(name, help=command.summary)(_not_chosen)
    return app


def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Deploy NVIDIA PersonaPlex to any GPU with one command, and hear that it talks."""
    if version:
        output = Output(as_json)
        output.line(f"plexctl {__version__}")
        output.document("version", {"version": __version__})
        raise typer.Exit
    if context.invoked_subcommand is None:
        raise UsageError("which command?", hint="see `plexctl --help`")


def _not_chosen() -> None:
    raise AssertionError("only the command that was asked for runs")
