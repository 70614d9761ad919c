"""`plexctl deploy`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from plexctl import config
from plexctl.cli.options import ConfigFile, DryRun, EnvFiles, HubTokenFile, Json, Secrets, TokenFile, Yes, seconds
from plexctl.cli.sessions import open_session, with_hub_token
from plexctl.errors import UsageError
from plexctl.flows import deploy as flow
from plexctl.model import Level
from plexctl.output import Output
from plexctl.spec import Spec


def deploy(  # noqa: PLR0913 - a command's signature is its flags
    provider: Annotated[str | None, typer.Option("--provider", "-p", help="Where to run.")] = None,
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
    timeout: Annotated[str | None, typer.Option("--timeout", help="How long the start may take.")] = None,
    env: Annotated[
        list[str] | None, typer.Option("--env", metavar="KEY=VALUE", help="Variable for the server.")
    ] = None,
    secret: Secrets = None,
    token_file: TokenFile = None,
    hf_token_file: HubTokenFile = None,
    env_file: EnvFiles = None,
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
        "env": config.key_values(env, "--env") if env else None,
    }
    spec = config.load_spec(session.environ, flags, config_file)
    if spec.provider is None:
        raise UsageError("where to? No provider is named", hint="pass --provider local, or set it in plexctl.toml")
    sources = config.secret_sources(secret or [])
    session, hub_token = with_hub_token(session, spec, sources, hf_token_file, env_file)
    spec = config.with_implied_secrets(spec, session.environ, sources)
    values = config.secret_values(spec.secrets, session.environ, sources)
    prepared = flow.prepare(session, spec, values, hub_token)
    for finding in prepared.findings:
        if finding.level is not Level.OK:
            output.note(f"{finding.level}: {finding.message}")
    if dry_run:
        _show_plan(output, prepared)
        return
    _confirm_price(output, prepared, yes=yes)
    deployed = flow.deploy(session, prepared, lambda question: output.confirm(question, yes=yes), probe=probe)
    _show(output, spec, deployed, session.now())


def _confirm_price(output: Output, prepared: flow.Prepared, *, yes: bool) -> None:
    """Ask before anything costs; what is free needs no question."""
    price = prepared.offer.price_usd_per_hour
    if price != 0:
        words = "an unknown price" if price is None else f"{price:.2f} USD per hour"
        output.confirm(f"{prepared.spec.name} on {prepared.provider.name} costs {words}: deploy?", yes=yes)


def _show_plan(output: Output, prepared: flow.Prepared) -> None:
    for step in prepared.plan.steps:
        output.line(f"{step.action} {step.subject}: {step.detail}")
    output.line("nothing was done (--dry-run)")
    output.document(
        "deploy",
        {
            "dry_run": True,
            "changed": False,
            "steps": [{"action": s.action, "subject": s.subject, "detail": s.detail} for s in prepared.plan.steps],
            "resources": [{"kind": r.kind, "name": r.name, "body": dict(r.body)} for r in prepared.plan.resources],
            "offer": flow.offer_dict(prepared.offer),
            "findings": flow.dicts(prepared.findings),
        },
    )


def _show(output: Output, spec: Spec, deployed: flow.Deployed, now: float) -> None:
    data = deployed.view.to_dict(now)
    if not deployed.changed:
        output.line(f"{spec.name} runs already as asked for: no change")
    endpoint = data["endpoint"]
    if isinstance(endpoint, dict):
        output.line(f"{spec.name} is {data['state']} at {endpoint['url']}")
        output.line(f"  callers connect to {endpoint['wss_url']}")
    if deployed.probe:
        from plexctl.cli.probe import show_report

        show_report(output, deployed.probe)
    output.document(
        "deploy",
        {
            "deployment": {key: data[key] for key in ("name", "provider", "id", "state")},
            "endpoint": endpoint,
            "offer": flow.offer_dict(deployed.view.record.offer),
            "findings": flow.dicts(deployed.findings),
            "attempts": deployed.attempts,
            "changed": deployed.changed,
            "probe": deployed.probe,
        },
    )
