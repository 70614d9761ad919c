"""The contract of every adapter, for the local provider in a container: the same tests in another world."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.cli.process import argv_of, every_pid
from tests.containers.rig import Podman
from tests.contract import conftest, test_contract, test_logs
from tests.contract.worlds import World

from plexctl.contract import Context, Provider
from plexctl.model import Ref
from plexctl.secret import Secret
from plexctl.spec import Image, Local, Spec
from plexctl_providers.local.adapter import LocalProvider

pytestmark = [pytest.mark.real, pytest.mark.slow]

journal = conftest.journal
ref = test_logs.ref
for _module in (test_contract, test_logs):
    globals().update({name: test for name, test in vars(_module).items() if name.startswith("test_")})


@dataclass
class ContainerWorld:
    """A container engine with the echo image; what runs is asked of the engine behind plexctl's back."""

    home: Path
    podman: Podman
    docker_host: str
    image: str

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> Provider:
        """Return a fresh adapter over the same engine."""
        environment = {"PATH": os.environ["PATH"], "DOCKER_HOST": self.docker_host}
        return LocalProvider(Context(self.home, environment, secrets or {}, time.time))

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for echo in a container."""
        return Spec(
            name=name,
            provider="local",
            engine="echo",
            secrets=secrets,
            image=Image(name=self.image),
            local=Local(runtime="docker"),
        )

    def running(self, ref: Ref) -> int:
        """Count containers that run, or are about to."""
        found = [self.podman.inspect(name) for name in self._containers() if name == ref.label]
        return sum(one["State"]["Status"] in ("created", "running") for one in found)

    def kill(self, ref: Ref) -> None:
        """SIGKILL to the container."""
        self.podman("kill", ref.label)
        self.podman("wait", "--condition", "exited", ref.label)

    def places_of(self, value: str) -> list[str]:
        """Look into every file below the home, every command line, and all that the engine tells of containers."""
        files = (path for path in self.home.rglob("*") if path.is_file())
        found = [str(path.relative_to(self.home)) for path in files if value.encode() in path.read_bytes()]
        found += ["a command line" for pid in every_pid() if value.encode() in argv_of(pid)]
        for name in self._containers():
            told = self.podman.inspect(name)
            found += ["environment of the container"] * (value in json.dumps(told["Config"].pop("Env")))
            found += ["the container"] * (value in json.dumps(told) or value in self.podman("logs", name))
        return sorted(found)

    def expected_places(self, ref: Ref) -> list[str]:
        """Only the container's environment, which whoever may use the engine can read."""
        del ref
        return ["environment of the container"]

    def close(self) -> None:
        """Remove what is left."""
        for name in self._containers():
            self.podman("rm", "--force", "--time", "0", name)
        for name in self.podman.held()["networks"]:
            if name.startswith("plexctl-"):
                self.podman("network", "rm", name)

    def _containers(self) -> list[str]:
        return [name for name in self.podman.held()["containers"] if name.startswith("plexctl-")]


@pytest.fixture
def world(tmp_path: Path, podman: Podman, docker_host: str, echo_image: str) -> Iterator[World]:
    """Give the container's world."""
    one = ContainerWorld(tmp_path / "home", podman, docker_host, echo_image)
    yield one
    one.close()
