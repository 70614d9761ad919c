"""`plexctl plan`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from plexctl import config
from plexctl.cli.hosts import AcceptHostKey, Hosts, Identity, Product, Public, check_host_flags, host_flags
from plexctl.cli.options import ConfigFile, EnvFiles, HubTokenFile, Json
from plexctl.cli.sessions import open_session
from plexctl.cli.wishes import Force, GpuFlag, MaxPrice, Provider, Region, age, usd, wish_of
from plexctl.output import Output

if TYPE_CHECKING:
    from plexctl.flows.planning import Planned


def plan(  # noqa: PLR0913 - a command's signature is its flags
    provider: Provider = None,
    gpu: GpuFlag = None,
    max_price: MaxPrice = None,
    region: Region = None,
    host: Hosts = None,
    identity: Identity = None,
    accept_host_key: AcceptHostKey = None,
    public: Public = None,
    product: Product = None,
    name: Annotated[str | None, typer.Option("--name", "-n", help="Name of the deployment.")] = None,
    engine: Annotated[str | None, typer.Option("--engine", help="personaplex or echo.")] = None,
    config_file: ConfigFile = None,
    model: Annotated[str | None, typer.Option("--model", help="Hugging Face repository of the weights.")] = None,
    revision: Annotated[str | None, typer.Option("--revision", help="Commit, branch or tag of the weights.")] = None,
    read_checkpoint: Annotated[  # noqa: FBT002
        bool, typer.Option("--read-checkpoint", help="Size the model by its own header on the Hub; needs the network.")
    ] = False,
    hf_token_file: HubTokenFile = None,
    env_file: EnvFiles = None,
    cpu_offload: Annotated[bool | None, typer.Option("--cpu-offload", help="Pass it to the engine.")] = None,
    force: Force = False,  # noqa: FBT002
    explain: Annotated[bool, typer.Option("--explain", help="Show what would be sent or started.")] = False,  # noqa: FBT002
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Say what a deploy would do and cost, without network or keys."""
    from plexctl.catalog.wishes import providers_of
    from plexctl.flows import planning
    from plexctl.gpus import PERSONAPLEX_7B

    output = Output(as_json)
    session = open_session(output)
    flags = {
        "name": name,
        "engine": engine,
        "model.cpu_offload": cpu_offload,
        "model.repo": model,
        "model.revision": revision,
        **host_flags(host, identity, accept_host_key, public, product),
    }
    spec = config.with_implied_secrets(config.load_spec(session.environ, flags, config_file), session.environ)
    providers = providers_of(spec.provider if provider is None else provider)
    check_host_flags(flags, providers)
    wish = wish_of(providers, gpu, region, max_price)
    checkpoint = PERSONAPLEX_7B
    if read_checkpoint:
        token = config.hub_token(session.environ, hf_token_file, env_file or ())
        checkpoint = planning.read_model(session.environ, spec, token)
    planned = planning.plan(session, spec, wish, checkpoint=checkpoint, force=force)
    _show(output, planned)
    data = planning.to_dict(planned)
    if explain:
        data["calls"] = planning.calls(planned.plan)
        _show_calls(output, planning.calls(planned.plan))
    output.document("plan", data)


def _show(output: Output, planned: Planned) -> None:
    from plexctl.catalog.billing import billing_of
    from plexctl.flows.planning import to_dict

    chosen, price = planned.chosen, to_dict(planned)["price"]
    where = f" in {chosen.region}" if chosen.region else ""
    output.line(f"{planned.spec.name} on {chosen.row.provider}: {chosen.row.what}{where}")
    for step in planned.plan.steps:
        output.line(f"  {step.action} {step.subject}: {step.detail}")
    if isinstance(price, dict):
        when = "" if chosen.usd_per_hour == 0 else f" ({age(price['age_days'], stale=price['is_stale'])})"
        output.line(
            f"price: {usd(chosen.usd_per_hour)} USD per hour, "
            f"{usd(chosen.usd_per_conversation_hour)} per conversation-hour{when}"
        )
    if planned.spec.engine != "echo":
        sizes = to_dict(planned)["budget"]
        parts = ", ".join(f"{row['part']} {row['gib']:g}" for row in sizes) if isinstance(sizes, list) else ""
        output.line(f"memory of an engine, GiB: {parts}")
    billing = billing_of(chosen.row.provider)
    output.line(f"idle: {billing.idle}")
    output.line(f"stopped: {billing.stopped}")
    for finding in planned.findings:
        output.line(f"{finding.level}: {finding.message}")
        if finding.fix:
            output.line(f"  fix: {finding.fix}")
    refused = sum(one.refusal is not None for one in planned.considered)
    output.line(f"chosen among {len(planned.considered)} offers, {refused} refused; nothing was done")


def _show_calls(output: Output, calls: list[dict[str, object]]) -> None:
    import json

    for call in calls:
        verb = call.get("method", "start")
        argv = call.get("argv")
        what = call.get("path") or (" ".join(map(str, argv)) if isinstance(argv, list) else "")
        output.line(f"{call['resource']}: {verb} {what}")
        for line in json.dumps(call["body"], indent=2).splitlines():
            output.line(f"  {line}")
