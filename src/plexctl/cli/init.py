"""`plexctl init`: a commented plexctl.toml, or its JSON Schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plexctl import config
from plexctl.cli.options import Json, Yes
from plexctl.errors import ConfigurationError, ConflictError
from plexctl.output import Output


def init(
    path: Annotated[Path, typer.Argument(help="File to write.")] = Path(config.CONFIG_FILE),
    provider: Annotated[str, typer.Option("--provider", "-p", help="Where to run.")] = "local",
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of the file instead.")] = False,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Write a commented plexctl.toml."""
    import json

    from plexctl.example import example_toml, json_schema
    from plexctl.registry import provider_class

    output = Output(as_json)
    if schema:
        output.line(json_schema().rstrip())
        output.document("init", {"json_schema": json.loads(json_schema())})
        return
    provider_class(provider)
    if path.exists() and not yes:
        raise ConflictError(f"{path} exists already", hint="pass --yes to overwrite it, or name another file")
    try:
        path.write_text(example_toml(provider), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
    output.line(f"wrote {path}; next: plexctl deploy")
    output.document("init", {"path": str(path)})
