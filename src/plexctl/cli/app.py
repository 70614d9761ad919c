"""The table of commands. Each is imported with its module; nothing heavy is loaded before it runs."""

from __future__ import annotations

from typing import Annotated

import typer

from plexctl import __version__
from plexctl.cli import deploy, init, logs, observe, operate, probe
from plexctl.cli.options import Json
from plexctl.output import Output

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


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Deploy NVIDIA PersonaPlex to any GPU with one command, and hear that it talks."""
    if version:
        output = Output(as_json)
        output.line(f"plexctl {__version__}")
        output.document("version", {"version": __version__})
        raise typer.Exit


app.command("init")(init.init)
app.command("deploy")(deploy.deploy)
app.command("list")(observe.list_deployments)
app.command("status")(observe.status)
app.command("probe")(probe.probe)
app.command("logs")(logs.logs)
app.command("stop")(operate.stop)
app.command("start")(operate.start)
app.command("destroy")(operate.destroy)
