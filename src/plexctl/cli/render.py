"""`plexctl render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plexctl import config
from plexctl.cli.hosts import AcceptHostKey, Hosts, Identity, Product, Public, check_host_flags, host_flags
from plexctl.cli.options import ConfigFile, Json
from plexctl.cli.sessions import open_session
from plexctl.cli.wishes import Force, GpuFlag, MaxPrice, Region, wish_of
from plexctl.errors import UsageError
from plexctl.model import Level
from plexctl.output import Output

_SOURCES = "image/plexctl/"
"""The gateway's own sources: written, but not shown."""


def render(  # noqa: PLR0913 - a command's signature is its flags
    provider: Annotated[str | None, typer.Option("--provider", "-p", help="For which one.")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write there; else show.")] = None,
    gpu: GpuFlag = None,
    region: Region = None,
    max_price: MaxPrice = None,
    host: Hosts = None,
    identity: Identity = None,
    accept_host_key: AcceptHostKey = None,
    public: Public = None,
    product: Product = None,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Name of the deployment.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="personaplex or echo.")] = None,
    profile: Annotated[str | None, typer.Option("--profile", help="Image profile; by GPU when left out.")] = None,
    config_file: ConfigFile = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that differ.")] = False,  # noqa: FBT002
    force: Force = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Write what a deploy would use, as files to read and take away."""
    from plexctl.catalog.wishes import providers_of
    from plexctl.flows import planning, rendering

    output = Output(as_json)
    session = open_session(output)
    more = host_flags(host, identity, accept_host_key, public, product)
    flags = {"name": name, "engine": engine, "image.profile": profile, "provider": provider, **more}
    spec = config.with_implied_secrets(config.load_spec(session.environ, flags, config_file), session.environ)
    if spec.provider is None:
        raise UsageError("for which provider? None is named", hint="pass --provider, or set it in plexctl.toml")
    check_host_flags(flags, providers_of(spec.provider))
    wish = wish_of(providers_of(spec.provider), gpu, region, max_price)
    rendered = rendering.render(session, spec, wish, force=force)
    for finding in rendered.planned.findings:
        if finding.level is not Level.OK:
            output.note(f"{finding.level}: {finding.message}")
    changed = rendering.write(rendered.files, out, overwrite=overwrite) if out else []
    _show(output, rendered.files, out, changed)
    output.document(
        "render",
        {
            "provider": rendered.planned.plan.provider,
            "offer": planning.to_dict(rendered.planned)["offer"],
            "out": None if out is None else str(out),
            "files": rendered.files if out is None else list(rendered.files),
            "changed": changed,
            "findings": planning.to_dict(rendered.planned)["findings"],
        },
    )


def _show(output: Output, files: dict[str, str], out: Path | None, changed: list[str]) -> None:
    if out is not None:
        for path in (path for path in files if not path.startswith(_SOURCES)):
            output.line(f"{'written' if path in changed else 'unchanged'}: {out / path}")
        output.line(f"{len(files)} files in all, {len(changed)} written")
        return
    for path, text in files.items():
        if not path.startswith(_SOURCES):
            output.line(f"==> {path} <==")
            for line in text.splitlines():
                output.line(line)
            output.line()
    sources = sum(path.startswith(_SOURCES) for path in files)
    output.line(f"and {sources} files of the gateway itself, below {_SOURCES}; --out DIR writes them all")
