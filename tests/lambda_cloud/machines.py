"""A Lambda on the loopback whose instances are machines with a real sshd, and the real CLI that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.cli.process import Plexctl, Result
from tests.clouds.lambda_cloud.server import Lambda
from tests.clouds.lambda_cloud.state import Instance
from tests.machines.gpu import Gpu
from tests.machines.machine import Machine, Machines

CANARY = "canary-9e41c07d"


@dataclass
class Ground:
    """The cloud, its machines, and somebody's computer."""

    cloud: Lambda
    plexctl: Plexctl
    store: Machines
    started: list[Machine] = field(default_factory=list)

    def boot(self, one: Instance) -> Machine:
        """Start an instance's machine as Lambda would: with the key of the account, and the user data."""
        (name,) = one.body["ssh_key_names"]
        keys = [key["public_key"] for key in self.cloud.keys.values() if key["name"] == name]
        made = self.store.start(authorized_keys=keys, cloud_config=one.body["user_data"], gpu=Gpu())
        self.started.append(made)
        return made

    @property
    def environment(self) -> dict[str, str]:
        """What the person's shell has."""
        return {**self.cloud.environment, "PLEXCTL_TOKEN": CANARY}

    def __call__(self, *argv: str, timeout_s: float = 180) -> Result:
        """Run plexctl."""
        return self.plexctl(*argv, env=self.environment, timeout_s=timeout_s)

    def ok(self, *argv: str, timeout_s: float = 180) -> Result:
        """Run plexctl and assert that it succeeded."""
        result = self(*argv, timeout_s=timeout_s)
        assert result.rc == 0, f"{argv}: {result.rc}\n{result.stdout}\n{result.stderr}"
        return result

    def left(self) -> list[str]:
        """Return all that is in the account, and all keys that are on the computer."""
        cloud = self.cloud
        things = [one["name"] for kind in (cloud.keys, cloud.rulesets, cloud.systems) for one in kind.values()]
        keys = [str(path) for path in (self.plexctl.home / "ssh").rglob("*")]
        return [*things, *(one.name for one in cloud.living()), *keys]


@contextmanager
def ground(store: Machines, folder: Path) -> Iterator[Ground]:
    """Give a cloud with machines and a computer with nothing on it. Time is real on both."""
    plexctl = Plexctl(folder)
    plexctl.work.mkdir(parents=True)
    with Lambda() as cloud:
        one = Ground(cloud, plexctl, store)
        cloud.boots = one.boot
        cloud.end_s = 0.5
        yield one
