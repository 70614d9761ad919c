"""`plexctl deploy`. Its function is long by its flags alone: Typer reads them from the signature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from plexctl import config
from plexctl.catalog.wishes import AUTO
from plexctl.cli.deploying import confirm_price, deploy_to_stay, serve, show_plan, tell_findings
from plexctl.cli.hosts import AcceptHostKey, Hosts, Identity, Product, Public, check_host_flags, host_flags
from plexctl.cli.options import ConfigFile, DryRun, EnvFiles, HubTokenFile, Json, Secrets, TokenFile, Yes, seconds
from plexctl.cli.sessions import open_session, settle
from plexctl.cli.wishes import Force, GpuFlag, MaxPrice, Region, wish_of
from plexctl.errors import UsageError
from plexctl.flows import serving
from plexctl.flows.asking import sellers
from plexctl.flows.bringing import Acting
from plexctl.flows.licence import PERSONAPLEX
from plexctl.flows.preparing import Order, prepare
from plexctl.flows.session import Session
from plexctl.output import Output
from plexctl.spec import Spec

_CLOUD_RUN = "cloudrun"


def deploy(  # noqa: PLR0913 - a command's signature is its flags
    provider: Annotated[
        str | None, typer.Option("--provider", "-p", metavar="NAME[,NAME]|auto", help="Where to run.")
    ] = None,
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
    config_file: ConfigFile = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on.")] = None,
    engines: Annotated[str | None, typer.Option("--engines", help="How many, or auto.")] = None,
    engine_python: Annotated[Path | None, typer.Option("--engine-python", help="Python of NVIDIA's server.")] = None,
    runtime: Annotated[str | None, typer.Option("--runtime", help="With local: process, or docker.")] = None,
    image: Annotated[str | None, typer.Option("--image", help="Container image to run.")] = None,
    voice: Annotated[str | None, typer.Option("--voice", help="Voice for callers that name none.")] = None,
    text_prompt: Annotated[str | None, typer.Option("--text-prompt", help="Prompt for callers without one.")] = None,
    model: Annotated[str | None, typer.Option("--model", help="Hugging Face repository of the weights.")] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Commit, branch or tag of the weights.")] = None,
    cpu_offload: Annotated[bool | None, typer.Option("--cpu-offload", help="Pass it to the engine.")] = None,
    idle_timeout: Annotated[str | None, typer.Option("--idle-timeout", help="End when unused so long.")] = None,
    max_session: Annotated[str | None, typer.Option("--max-session", help="Longest conversation.")] = None,
    ttl: Annotated[str | None, typer.Option("--ttl", help="End the deployment after so long.")] = None,
    timeout: Annotated[str | None, typer.Option("--timeout", help="How long a start may take.")] = None,
    deadline: Annotated[str | None, typer.Option("--deadline", help="How long it may take with all tries.")] = None,
    max_tries: Annotated[int | None, typer.Option("--max-tries", help="How many offers to try in turn.")] = None,
    ignore_denied: Annotated[  # noqa: FBT002
        bool, typer.Option("--ignore-denied", help="Take hosts that failed a start not long ago, too.")
    ] = False,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="KEY=VALUE", help="Variable for the server.")
    ] = None,
    secret: Secrets = None,
    token_file: TokenFile = None,
    hf_token_file: HubTokenFile = None,
    env_file: EnvFiles = None,
    dev: Annotated[bool, typer.Option("--dev", help="Only while this runs, with its log, to try things.")] = False,  # noqa: FBT002
    renew_secrets: Annotated[  # noqa: FBT002
        bool, typer.Option("--renew-secrets", help="Send the secrets again, though nothing else changed.")
    ] = False,
    private: Annotated[  # noqa: FBT002
        bool, typer.Option("--private", help="With cloudrun: let Google check callers as well.")
    ] = False,
    force: Force = False,  # noqa: FBT002
    probe: Annotated[bool, typer.Option("--probe/--no-probe", help="Listen to it at the end.")] = True,  # noqa: FBT002
    yes: Yes = False,  # noqa: FBT002
    dry_run: DryRun = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Deploy PersonaPlex, wait until it is ready, and hear it talk."""
    output = Output(as_json)
    session = open_session(output, token_file)
    flags = {
        "provider": provider,
        "name": name,
        "engine": engine,
        "gateway.port": port,
        "gateway.engines": engines,
        "local.engine_python": None if engine_python is None else str(engine_python),
        "local.runtime": runtime,
        "image.name": image,
        "gateway.voice": voice,
        "gateway.text_prompt": text_prompt,
        "model.repo": model,
        "model.revision": revision,
        "model.cpu_offload": cpu_offload,
        "gateway.idle_timeout_s": seconds(idle_timeout, "--idle-timeout"),
        "gateway.max_session_s": seconds(max_session, "--max-session"),
        "limits.ttl_s": seconds(ttl, "--ttl"),
        "limits.start_timeout_s": seconds(timeout, "--timeout"),
        "limits.deadline_s": seconds(deadline, "--deadline"),
        "limits.max_tries": max_tries,
        "cloudrun.private": private or None,
        "env": config.key_values(env, "--env") if env else None,
        **host_flags(host, identity, accept_host_key, public, product),
    }
    spec, names, is_auto = _targets(session, flags, config_file, private=private, dev=dev)
    settled = settle(session, spec, secret or [], hf_token_file, env_file)
    wish = wish_of(names, gpu, region, max_price)
    prepared = prepare(settled.session, Order(settled.spec, wish, settled.hub_token, force, ignore_denied, is_auto))
    tell_findings(output, prepared.findings)
    if dry_run:
        show_plan(output, prepared)
        return
    values = settled.all_values(name for one in prepared.all for name in one.plan.secrets)
    confirm_price(output, prepared, yes=yes)
    session = replace(settled.session, token=values.get(config.TOKEN_VARIABLE, session.token))
    acting = Acting(values, partial(output.confirm, yes=yes), probe, renew_secrets)
    (serve if dev else deploy_to_stay)(output, session, prepared, acting)


def _targets(
    session: Session, flags: Mapping[str, object], config_file: Path | None, *, private: bool, dev: bool
) -> tuple[Spec, tuple[str, ...], bool]:
    """Return the spec for the first provider that is named, all of them, and whether that was by `auto`.

    Raises UsageError unless only what is known there is asked, ConfigurationError for one that nobody knows.
    """
    spec = config.load_spec(session.environ, flags, config_file)
    if spec.provider is None:
        raise UsageError("where to? No provider is named", hint="pass --provider local, or set it in plexctl.toml")
    if private and spec.provider != _CLOUD_RUN:
        raise UsageError(f"--private is for {_CLOUD_RUN}, not for {spec.provider}", hint="leave it out")
    is_auto = spec.provider.strip().lower() == AUTO
    if dev and (is_auto or "," in spec.provider):
        raise UsageError(f"--dev takes one provider, not {spec.provider!r}", hint="name one of them")
    names = sellers(session, spec.provider)
    check_host_flags(flags, names)
    if dev:
        serving.check_serves(session, names[0])
    engine = spec.engine or (PERSONAPLEX if len(names) > 1 else None)
    return structs.replace(spec, provider=names[0], engine=engine), names, is_auto
