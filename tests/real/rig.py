"""Real processes for the real tests: voice servers with small random weights, and deployments made by the CLI."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]
_START_S = 90.0


@dataclass(frozen=True)
class Engine:
    """A real voice server: the Python of its environment and the launcher that gives it small weights."""

    name: str
    tools: Path

    @property
    def python(self) -> Path:
        """Return the interpreter of the server's own environment."""
        return self.tools / self.name / "bin" / "python"

    @property
    def script(self) -> Path:
        """Return the launcher."""
        return ROOT / "tests" / "real" / "servers" / f"{self.name}.py"

    @property
    def deploy_arguments(self) -> list[str]:
        """Return the flags that put it behind a gateway."""
        python, script = str(self.python), str(self.script)
        return ["--engine", "personaplex", "--engine-python", python, "--env", f"PLEXCTL_ENGINE_SCRIPT={script}"]


class VoiceServer:
    """A voice server with nothing in front of it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.port = free_port()

    @property
    def url(self) -> str:
        """Where it takes callers."""
        return f"ws://127.0.0.1:{self.port}/api/chat"

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *(str(self._engine.python), str(self._engine.script), "--host", "127.0.0.1"),
            *("--port", str(self.port), "--static", "none"),
            env=os.environ | weights_folder(self._engine.tools),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        await asyncio.wait_for(self._until_open(), _START_S)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._process.kill()
        await self._process.wait()

    async def _until_open(self) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                assert self._process.returncode is None, "the voice server ended at its start"
                await asyncio.sleep(0.1)
            else:
                writer.close()
                return


class RealGateway:
    """A deployment made, probed and removed by the real CLI."""

    def __init__(self, folder: Path, arguments: Sequence[str]) -> None:
        self._home = folder / "home"
        self._arguments = arguments
        self.deployed: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.deployed = self.plexctl("deploy", "--provider", "local", "--yes", *self._arguments)["data"]
        return self

    def __exit__(self, *_: object) -> None:
        self.plexctl("destroy", "--yes")

    @property
    def url(self) -> str:
        """Where it takes callers."""
        url: str = self.deployed["endpoint"]["wss_url"]
        return url

    def plexctl(self, *arguments: str, exit_code: int = 0) -> dict[str, Any]:
        """Run a command with --json; assert its exit code and return its document."""
        done = subprocess.run(
            [sys.executable, "-m", "plexctl", *arguments, "--json"],
            env=os.environ | weights_folder(None) | {"PLEXCTL_HOME": str(self._home)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == exit_code, done.stdout + done.stderr
        document: dict[str, Any] = json.loads(done.stdout)
        return document

    def log(self) -> list[str]:
        """Return what the gateway and its engine printed."""
        return [line["text"] for line in self.plexctl("logs")["data"]["lines"]]


def weights_folder(tools: Path | None) -> dict[str, str]:
    """Return where the small weights are kept between runs."""
    folder = tools or Path(os.environ.get("PLEXCTL_TEST_TOOLS", ROOT / ".venv-real"))
    return {"PLEXCTL_TEST_MODELS": str(folder / "models")}


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
