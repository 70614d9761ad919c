"""Echo: an engine without GPU and weights that sends the caller's audio back. Not PersonaPlex, and it says so."""

from __future__ import annotations

import sys

from plexctl.gateway.engines.contract import Command, Engine
from plexctl.gateway.engines.progress import progress_in
from plexctl.gateway.settings import EngineSettings


def command(settings: EngineSettings, port: int) -> Command:
    """Return the process that echoes on `port`."""
    argv = (sys.executable, "-m", "plexctl.gateway.engines.echo", "--port", str(port))
    return Command(argv, {**settings.environment, "PYTHONUNBUFFERED": "1"})


ENGINE = Engine(name="echo", capacity=1, command=command, progress=progress_in)
