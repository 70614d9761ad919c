"""`plexctl probe`. Its function is long by its flags alone: Typer reads them from the signature."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from plexctl import config
from plexctl.cli.options import Json, TokenFile, seconds
from plexctl.cli.sessions import name_or_only, open_session
from plexctl.errors import ConfigurationError, UsageError
from plexctl.flows.session import Session
from plexctl.output import Output

if TYPE_CHECKING:
    from plexctl.probe import ProbeOptions
    from plexctl.probe.report import Report, ReportOfMany


def probe(  # noqa: PLR0913 - a command's signature is its flags
    target: Annotated[str | None, typer.Argument(metavar="[URL|NAME]", help="What to listen to.")] = None,
    level: Annotated[str, typer.Option("--level", help="How far: connect, upgrade, handshake or audio.")] = "audio",
    timeout: Annotated[str, typer.Option("--timeout", help="Limit of each stage up to the upgrade.")] = "10s",
    handshake_timeout: Annotated[
        str, typer.Option("--handshake-timeout", help="Limit of the prompts' reading.")
    ] = "90s",
    duration: Annotated[str, typer.Option("--seconds", help="How much speech to send.")] = "5s",
    token: Annotated[str | None, typer.Option("--token", help="Access token; better --token-file.")] = None,
    token_file: TokenFile = None,
    voice: Annotated[str | None, typer.Option("--voice", help="Voice to ask for.")] = None,
    text_prompt: Annotated[str | None, typer.Option("--text-prompt", help="Prompt to send.")] = None,
    audio: Annotated[Path | None, typer.Option("--audio", metavar="FILE", help="Ogg/Opus speech to send.")] = None,
    save: Annotated[Path | None, typer.Option("--save", metavar="FILE", help="Keep what was heard, Ogg/Opus.")] = None,
    cacert: Annotated[Path | None, typer.Option("--cacert", metavar="FILE", help="Trust this CA.")] = None,
    fingerprint: Annotated[
        str | None, typer.Option("--fingerprint", metavar="SHA256", help="Trust this certificate.")
    ] = None,
    sessions: Annotated[int, typer.Option("--sessions", help="Conversations at once.")] = 1,
    watch: Annotated[
        str | None, typer.Option("--watch", metavar="PERIOD", help="Again and again, until Ctrl-C.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002
) -> None:
    """Listen to an endpoint and say whether it talks."""
    import asyncio

    from plexctl.flows.probing import failure_of, told
    from plexctl.probe import Level, ProbeOptions

    output = Output(as_json)
    session = open_session(output, token_file)
    if level not in list(Level):
        raise UsageError(f"--level {level!r} is none of {', '.join(Level)}")
    if save is not None and not save.parent.is_dir():
        raise ConfigurationError(f"cannot write {save}: no such folder", hint="make the folder first")
    chosen = {"voice": voice, "text_prompt": text_prompt}
    with session.tunnels:
        url, way, trust = _target(session, target, cacert, fingerprint)
        options = ProbeOptions(
            url=way,
            token=config.access_token(token) or session.token,
            level=Level(level),
            timeout_s=seconds(timeout, "--timeout") or 0,
            handshake_timeout_s=seconds(handshake_timeout, "--handshake-timeout") or 0,
            seconds=seconds(duration, "--seconds") or 0,
            recording=audio,
            trust=trust,
            sessions=sessions,
            **{key: value for key, value in chosen.items() if value is not None},
        )
        if watch is not None:
            asyncio.run(_watch(output, options, url, seconds(watch, "--watch") or 0))
            return
        report = asyncio.run(_probe(options))
    if save is not None:
        _save(report, save)
    data = told(report, url)
    show_report(output, data)
    if not report.is_ok:
        raise failure_of(report, url)
    output.document("probe", data)


def show_report(output: Output, data: Mapping[str, Any]) -> None:
    """Print a report's stages and figures for a reader."""
    for stage in data["stages"]:
        words = f"  {stage['detail']}" if stage["detail"] else ""
        output.line(f"  {stage['name']:<9} {stage['outcome']:<14} {stage['seconds'] * 1000:>8.1f} ms{words}")
    figures = data["audio"]
    if figures["real_time_factor"] is not None:
        output.line(
            f"  sent {figures['sent_s']:.2f} s, heard {figures['heard_s']:.2f} s, "
            f"first audio after {figures['first_audio_ms']:.0f} ms, "
            f"real-time factor {figures['real_time_factor']:.2f}, "
            f"longest gap {figures['longest_gap_ms']:.0f} ms, jitter p99 {figures['jitter_ms']['p99']:.0f} ms"
        )
    output.line(f"verdict: {data['verdict']}")


def _target(session: Session, target: str | None, cacert: Path | None, fingerprint: str | None) -> tuple[str, str, Any]:
    """Return the URL of what was named, a deployment or a URL; where that is dialled from here; and whom to trust."""
    from plexctl.flows.health import trust_of
    from plexctl.flows.observe import endpoint_now
    from plexctl.wire import Trust

    if target is not None and any(mark in target for mark in ":/."):
        return target, target, Trust.of(cacert, fingerprint)
    record = session.record(name_or_only(session, target))
    endpoint = endpoint_now(session, record)
    way = session.way_to(record.ref, endpoint)
    explicit = cacert is not None or fingerprint is not None
    return endpoint.wss_url, way.wss_url, Trust.of(cacert, fingerprint) if explicit else trust_of(way)


async def _probe(options: ProbeOptions) -> Report | ReportOfMany:
    from plexctl.probe import probe as probe_one
    from plexctl.probe import probe_many

    return await (probe_one(options) if options.sessions == 1 else probe_many(options))


async def _watch(output: Output, options: ProbeOptions, url: str, period_s: float) -> None:
    """Probe on a fixed beat; one line, or one document a line, for each."""
    import asyncio

    from plexctl.flows.probing import told

    loop = asyncio.get_running_loop()
    due = loop.time()
    while True:
        report = await _probe(options)
        if output.as_json:
            output.stream_document(told(report, url))
        else:
            figures = report.audio
            factor = "-" if figures.real_time_factor is None else f"{figures.real_time_factor:.2f}"
            output.line(f"{report.verdict}  real-time factor {factor}")
        due = max(due + period_s, loop.time())
        await asyncio.sleep(due - loop.time())


def _save(report: Report | ReportOfMany, path: Path) -> None:
    from plexctl.probe.report import ReportOfMany

    heard = (report.worst if isinstance(report, ReportOfMany) else report).heard_ogg
    if not heard:
        return
    try:
        path.write_bytes(heard)
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from error
