"""The contract of every adapter, for the local provider in a container: the same tests in another world."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from tests.cli.process import argv_of, every_pid
from tests.containers.rig import Podman
from tests.contract import conftest, test_changes, test_contract, test_crashes, test_faults, test_leftovers, test_logs
from tests.contract.worlds import Fault, World

from plexctl.contract import Context, Provider
from plexctl.errors import NotFoundError
from plexctl.model import Ref
from plexctl.secret import Secret
from plexctl.spec import Image, Local, Spec
from plexctl_providers.local.adapter import LocalProvider

pytestmark = [pytest.mark.real, pytest.mark.slow]

journal = conftest.journal
world = conftest.world
ref = test_logs.ref
for _module in (test_contract, test_changes, test_crashes, test_faults, test_leftovers, test_logs):
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

    def mutations(self) -> list[str]:
        """Tell by ids and times what was made and started: the engine keeps no record of calls."""
        containers = [self.podman.inspect(name) for name in self._containers()]
        made = [f"start container {one['Id']} {one['State']['StartedAt']}" for one in containers]
        return [*(f"create network {name}" for name in self._networks()), *made]

    def exists(self) -> list[tuple[str, str]]:
        """Return containers, networks and the volume that deployments share."""
        kinds = {"container": self._containers(), "network": self._networks(), "volume": self.podman.held()["volumes"]}
        return sorted((kind, name) for kind, names in kinds.items() for name in names if name.startswith("plexctl-"))

    def lose_the_next_answer(self) -> None:
        """Skip: held and cut requests are in test_killed.py."""
        pytest.skip("tests/runtime/test_killed.py cuts every request")

    def keep_the_next_deleted(self) -> None:
        """Skip: an engine that lies about what is on its own disk is no engine."""
        pytest.skip("no engine says that it deleted what is there")

    def faults(self) -> Mapping[str, Fault]:
        """Name an image that nobody has; the others are in test_failures.py."""
        image = "localhost/nobody-has-it:1"
        spec = msgspec.structs.replace(self.spec("voice"), image=Image(name=image))
        return {"image missing": Fault(lambda: None, NotFoundError, image, spec=spec)}

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Bring about what an engine can be told to; every row of the map is in test_engine_words.py."""
        return {"exited": lambda: self._each("kill"), "running": lambda: self._each("start")}

    def close(self) -> None:
        """Remove what is left."""
        for name in self._containers():
            self.podman("rm", "--force", "--time", "0", name)
        for name in self._networks():
            self.podman("network", "rm", name)

    def _each(self, command: str) -> None:
        for name in self._containers():
            self.podman(command, name)

    def _containers(self) -> list[str]:
        return [name for name in self.podman.held()["containers"] if name.startswith("plexctl-")]

    def _networks(self) -> list[str]:
        return [name for name in self.podman.held()["networks"] if name.startswith("plexctl-")]


@pytest.fixture
def new_world(
    tmp_path_factory: pytest.TempPathFactory, podman: Podman, docker_host: str, echo_image: str
) -> Iterator[Callable[[], World]]:
    """Give what makes a container's world; they share the engine, so that the one before is closed."""
    with ExitStack() as stack:

        def make() -> World:
            stack.close()
            one = ContainerWorld(tmp_path_factory.mktemp("world") / "home", podman, docker_host, echo_image)
            stack.callback(one.close)
            return one

        yield make
