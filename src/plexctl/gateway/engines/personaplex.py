"""PersonaPlex: upstream's `python -m moshi.server`, run by the python of its own environment.

Upstream's server ignores `--host` for binding, so `upstream.py` starts it and binds the loopback; with
`PLEXCTL_ENGINE_SCRIPT` it starts that file instead, with the same flags. Two variables are set for every server:
`PYTHONUNBUFFERED` (else a log without a terminal stays empty) and `NO_TORCH_COMPILE`, where any value, `0` too,
switches compiling off, so that switching it on means leaving the variable out.
The server takes no revision either: `upstream.py` makes PLEXCTL_MODEL_REVISION, or the commit that it was resolved to,
the one that every file is read at.
"""

from __future__ import annotations

from pathlib import Path

from plexctl.gateway.engines.contract import Command, Engine
from plexctl.gateway.engines.progress import progress_in
from plexctl.gateway.settings import EngineSettings

_LAUNCHER = Path(__file__).with_name("upstream.py")


def command(settings: EngineSettings, port: int) -> Command:
    """Return the process that serves one caller at a time on `port`."""
    argv = [settings.python, str(_LAUNCHER)]
    if settings.script:
        argv.append(f"--script={settings.script}")
    elif settings.model_revision:
        argv.append(f"--revision={settings.model_revision}")
    # A numeric host makes upstream skip a look at its own address, which dies where there is no route.
    argv += ["--host", "127.0.0.1", "--port", str(port), "--static", "none"]
    if settings.model_repo:
        argv += ["--hf-repo", settings.model_repo]
    if settings.device:
        argv += ["--device", settings.device]
    if settings.cpu_offload:
        argv.append("--cpu-offload")
    if settings.voice_dir is not None:
        argv += ["--voice-prompt-dir", str(settings.voice_dir)]
    return Command(tuple(argv), _environment(settings))


def _environment(settings: EngineSettings) -> dict[str, str]:
    environment = dict(settings.environment)
    environment["PYTHONUNBUFFERED"] = "1"
    environment.pop("NO_TORCH_COMPILE", None)
    if not settings.torch_compile:
        environment["NO_TORCH_COMPILE"] = "1"
    return environment


ENGINE = Engine(name="personaplex", capacity=1, command=command, progress=progress_in)
