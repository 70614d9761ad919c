"""The real CLI and a real engine: deployments in containers, and a look behind plexctl's back."""

from __future__ import annotations

import json
import random
import socket
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from tests.cli.process import Plexctl, Result
from tests.containers.rig import Podman

_LIMIT_S = 60.0


def until(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds; fail after the limit."""
    deadline = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {_LIMIT_S:g} s"
        time.sleep(0.02)


def spare_port() -> int:
    """Return a free port below those that the system gives out and above those that plexctl looks at by itself."""
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311 - so that tests side by side do not meet
        with socket.socket() as caller:
            if caller.connect_ex(("127.0.0.1", port)) != 0:
                return port


@dataclass
class Here:
    """One PLEXCTL_HOME, one engine."""

    plexctl: Plexctl
    podman: Podman
    docker_host: str
    image: str
    """Id of the echo profile's image."""
    port: int = field(default_factory=spare_port)

    @property
    def argv(self) -> tuple[str, ...]:
        """The command that deploys `voice` in a container."""
        own = ("--image", self.image, "--port", str(self.port))
        return ("deploy", "-p", "local", "--runtime", "docker", "--engine", "echo", "--name", "voice", "--yes", *own)

    def env(self, docker_host: str | None = None) -> dict[str, str]:
        """Return the variables that name the engine."""
        return {"DOCKER_HOST": docker_host or self.docker_host}

    def run(self, *argv: str, env: Mapping[str, str] | None = None) -> Result:
        """Run plexctl with `--json`, unless it has it already, against the engine."""
        more = () if "--json" in argv else ("--json",)
        return self.plexctl(*argv, *more, env={**self.env(), **(env or {})}, timeout_s=300)

    def deploy(self, *argv: str, env: Mapping[str, str] | None = None) -> Result:
        """Deploy `voice` without listening to it."""
        return self.run(*self.argv, "--no-probe", *argv, env=env)

    def state(self) -> str:
        """Return what `status` says of `voice`."""
        done = self.run("status", "voice")
        return str(done.data["deployments"][0]["state"]) if done.rc == 0 else str(done.document["error"]["code"])

    def containers(self) -> list[str]:
        """Return the names of all containers of deployments, running or not."""
        return [name for name in self.podman.held()["containers"] if name.startswith("plexctl-")]

    def networks(self) -> list[str]:
        """Return the names of all networks of deployments."""
        return [name for name in self.podman.held()["networks"] if name.startswith("plexctl-")]

    def inspect(self) -> dict[str, Any]:
        """Return what the engine knows of the one container."""
        (name,) = self.containers()
        found: dict[str, Any] = json.loads(self.podman("container", "inspect", name))[0]
        return found

    def recorded(self, sql: str) -> list[tuple[object, ...]]:
        """Ask the journal's file behind plexctl's back."""
        with closing(sqlite3.connect(self.plexctl.home / "journal.db")) as connection:
            return connection.execute(sql).fetchall()

    def is_clean(self) -> None:
        """Assert that nothing of a deployment is left, at the engine or in `list`."""
        held = self.podman.held()
        left = [name for kind in ("containers", "networks") for name in held[kind] if name.startswith("plexctl-")]
        assert not left, left
        assert self.run("list").data["deployments"] == []

    def end_all(self) -> None:
        """Destroy what a test left."""
        for one in self.run("list").document.get("data", {}).get("deployments", []):
            self.run("destroy", one["name"], "--yes")
