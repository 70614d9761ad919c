"""The gateway's side of the fetch: starts the process that fetches, shows what it says, and ends it with the gateway.

A fetch that dies (killed, out of memory) is started again and goes on from where it stood; one that says why there is
no use in trying ends the start with that reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable
from dataclasses import dataclass, replace

from plexctl.gateway.engines.contract import Command
from plexctl.gateway.health import Download, EngineHealth
from plexctl.gateway.logbook import LineSplitter, Logbook
from plexctl.gateway.settings import EngineSettings
from plexctl.gateway.weights.messages import Done, Failed, Note, Progress, decode
from plexctl.gateway.weights.request import DEFAULT_REPO, PATIENCE_VARIABLE

OFFLINE_VARIABLE = "HF_HUB_OFFLINE"
_TRUE = frozenset({"1", "on", "yes", "true"})
"""What huggingface_hub takes for yes (its constants.py)."""
_STARTS = 3
_PAUSE_S = 0.5
_MAX_LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no engine can be started; `cause` is one of health.CAUSES, or None."""

    reason: str
    cause: str | None


async def bring(
    settings: EngineSettings, logbook: Logbook, show: Callable[[EngineHealth], None]
) -> EngineSettings | Refusal:
    """Have the weights fetched; return settings for engines that find them without the network."""
    if settings.name != "personaplex":
        return settings
    why = skipped(settings)
    if why is not None:
        logbook.write("gateway", f"weights: left out, {why}")
        return settings
    show(EngineHealth("downloading", "weights: starting"))
    end: Done | Failed | str = ""
    for _ in range(_STARTS):
        end = await _once(settings, logbook, show)
        if isinstance(end, Done):
            repo = settings.model_repo or DEFAULT_REPO
            logbook.write("gateway", f"weights: {repo} at {end.commit} is complete; engines start offline")
            offline = {**settings.environment, OFFLINE_VARIABLE: "1"}
            return replace(settings, model_revision=end.commit, environment=offline)
        if isinstance(end, Failed):
            return Refusal(end.reason, end.cause)
        logbook.write("gateway", f"weights: {end}; again in {_PAUSE_S} s")
        await asyncio.sleep(_PAUSE_S)
    return Refusal(f"the weights could not be fetched: {end}, {_STARTS} times; `/logs` has its last words", None)


def skipped(settings: EngineSettings) -> str | None:
    """Return why nothing is fetched, None when it is."""
    if settings.script:
        return "PLEXCTL_ENGINE_SCRIPT runs another server"
    if settings.environment.get(OFFLINE_VARIABLE, "").strip().lower() in _TRUE:
        return f"{OFFLINE_VARIABLE} is set: the engine finds them in its cache, or fails"
    return None


def command(settings: EngineSettings) -> Command:
    """Return the process that fetches, without I/O. Its secrets are in its environment only."""
    environment = {
        **settings.environment,
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        PATIENCE_VARIABLE: str(settings.hub_patience_s),
    }
    return Command((sys.executable, "-m", "plexctl.gateway.weights"), environment)


async def _once(
    settings: EngineSettings, logbook: Logbook, show: Callable[[EngineHealth], None]
) -> Done | Failed | str:
    """Run the process to its end; return what it said last, or in words how it ended without a word."""
    process = await _spawn(settings)
    if isinstance(process, str):
        return process
    words = asyncio.create_task(_log_errors(process, logbook))
    try:
        end = await _listen(process, logbook, show)
        code = await process.wait()
        await words
    finally:
        words.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return end or f"the fetch ended with {f'signal {-code}' if code < 0 else f'exit code {code}'}"


async def _spawn(settings: EngineSettings) -> Process | str:
    run = command(settings)
    try:
        return await asyncio.create_subprocess_exec(
            *run.argv,
            env=dict(run.environment),
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=_MAX_LINE,
            pass_fds=() if settings.pid_fd is None else (settings.pid_fd,),
        )
    except OSError as error:
        return f"the fetch cannot be started: {error}"


async def _listen(process: Process, logbook: Logbook, show: Callable[[EngineHealth], None]) -> Done | Failed | None:
    """Show and log what the process says; return its last word."""
    assert process.stdout is not None  # noqa: S101 - spawned with a pipe
    async for line in process.stdout:
        message = decode(line)
        if isinstance(message, Progress):
            show(health_of(message))
        elif isinstance(message, Note):
            logbook.write("weights", message.text)
        elif message is not None:
            return message
    return None


async def _log_errors(process: Process, logbook: Logbook) -> None:
    assert process.stderr is not None  # noqa: S101 - spawned with a pipe
    splitter = LineSplitter()
    while data := await process.stderr.read(_MAX_LINE):
        for line in splitter.feed(data):
            logbook.write("weights", line)
    for line in splitter.rest():
        logbook.write("weights", line)


def health_of(progress: Progress) -> EngineHealth:
    """Return what `/health` says of a download."""
    fraction = None
    if progress.bytes_done is not None and progress.bytes_total:
        fraction = round(progress.bytes_done / progress.bytes_total, 4)
    download = Download(progress.bytes_done, progress.bytes_total, progress.bytes_per_second, progress.seconds_left)
    return EngineHealth("downloading", progress.phase, fraction, download=download)
