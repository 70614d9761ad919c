"""One small world for each built-in adapter, in which the contract's tests can run: a new adapter adds one entry.

A world gives the provider its context, and looks behind its back: what really runs, and where a secret really is.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import pytest
from tests.cli.process import NO_ENGINE
from tests.machines.machine import Machines

from plexctl.contract import Context, Provider
from plexctl.errors import PlexError
from plexctl.model import Offer, Ref
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl_providers.local.adapter import LocalProvider

_LIMIT_S = 30.0
_PROC = Path("/proc")
UNDOCUMENTED = "undocumented"
"""The name, among a world's native states, of one that the provider has not documented."""


def _nothing() -> None:
    """Leave it as it is."""


@dataclass(frozen=True)
class Fault:
    """One way in which a provider fails from now on, and what plexctl must make of it when it deploys."""

    begin: Callable[[], None]
    error: type[PlexError]
    says: str
    """Words that the message, its hint or its data must have."""
    end: Callable[[], None] = _nothing
    """What a user mends before a destroy can work: a refused token. Where a destroy must work all the same: nothing."""
    spec: Spec | None = None
    """What is deployed, named `voice`; None: the world's own spec."""
    offer: Offer | None = None
    """What it is deployed with; None: the cheapest that fits."""


class World(Protocol):
    """What the contract's tests need of an adapter's surroundings.

    A method that has nothing to do here, since the provider has no such thing, calls `pytest.skip` with the reason.
    """

    home: Path

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> Provider:
        """Return a fresh adapter: nothing is remembered between two of them but what is at the provider.

        Secrets that every deployment here needs (PLEXCTL_TOKEN, HF_TOKEN) are supplied where none are given.
        """

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Return a spec for which as much as possible is made here: image, weights, secrets, the service itself."""

    def running(self, ref: Ref) -> int:
        """Count what really is up of a deployment, without asking the adapter.

        1 from `apply` on, also where a provider starts containers only when somebody calls; 0 when it is stopped.
        """

    def kill(self, ref: Ref) -> None:
        """End it behind plexctl's back, as a provider's accident would."""

    def places_of(self, value: str) -> list[str]:
        """Return every place but plexctl's memory in which a secret's value can be read."""

    def expected_places(self, ref: Ref) -> list[str]:
        """Return the places where the secret must be, and may be."""

    def mutations(self) -> list[str]:
        """Return what was made, changed or removed at the provider so far, oldest first, each as `verb kind name`.

        Kinds are the plan's. What the provider's client sends as several requests for one thing counts once.
        """

    def exists(self) -> list[tuple[str, str]]:
        """Return (kind, name) of everything at the provider that plexctl may have made, in the plan's words, sorted.

        Two things of one kind and name are two entries.
        """

    def lose_the_next_answer(self) -> None:
        """Let the next call that makes something take effect, and its answer get lost."""

    def keep_the_next_deleted(self) -> None:
        """Let the next delete be answered as done, and what it named go on existing."""

    def faults(self) -> Mapping[str, Fault]:
        """Return the provider's ways to fail, by name; each is tried in a world of its own."""

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Return each state that the provider documents, with what brings the deployment `voice` into it.

        They are brought about one after the other, on one deployment. `UNDOCUMENTED` is one that nobody documents.
        """

    def close(self) -> None:
        """Remove whatever a test left."""


def until(condition: Callable[[], bool], what: str) -> None:
    """Poll until the condition holds; fail after the limit."""
    deadline = time.monotonic() + _LIMIT_S
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {_LIMIT_S:g} s"
        time.sleep(0.005)


@dataclass
class LocalWorld:
    """This machine, with the echo engine; what runs is looked up in /proc."""

    home: Path

    def __post_init__(self) -> None:
        self._mark = uuid4().hex
        self._environment = {"PATH": os.environ["PATH"], "PLEXCTL_TEST_MARK": self._mark, **NO_ENGINE}

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> Provider:
        """Return a fresh adapter over the same folder."""
        return LocalProvider(Context(self.home, self._environment, secrets or {}, time.time))

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for echo."""
        return Spec(name=name, provider="local", engine="echo", secrets=secrets)

    def running(self, ref: Ref) -> int:
        """Count gateways in the deployment's folder."""
        return sum(b"plexctl.gateway" in command.split(b"\0") for command in self._commands(ref).values())

    def kill(self, ref: Ref) -> None:
        """SIGKILL to every process of it."""
        for pid in self._commands(ref):
            os.kill(pid, signal.SIGKILL)
        until(lambda: not self._commands(ref), "its end")

    def places_of(self, value: str) -> list[str]:
        """Look into every file below the home and into every process that belongs to it."""
        needle = value.encode()
        files = (path for path in self.home.rglob("*") if path.is_file())
        found = [str(path.relative_to(self.home)) for path in files if needle in path.read_bytes()]
        for pid in self._ours():
            places = (f"{kind} of {self._role(pid)}" for kind in ("cmdline", "environ") if needle in _proc(pid, kind))
            found += places
        return sorted(found)

    def expected_places(self, ref: Ref) -> list[str]:
        """Only the gateway's environment: the engine has no business with callers' tokens."""
        del ref
        return ["environ of gateway"]

    def mutations(self) -> list[str]:
        """There is no API: what was started is told by what runs."""
        return [f"start process {pid}" for pid in sorted(self._ours()) if self._role(pid) == "gateway"]

    def exists(self) -> list[tuple[str, str]]:
        """Look into plexctl's own folder."""
        folder = self.home / "local"
        return sorted(("process", path.name) for path in folder.iterdir()) if folder.is_dir() else []

    def lose_the_next_answer(self) -> None:
        """Skip: there is no answer."""
        pytest.skip("a process that was started is there: no answer can get lost")

    def keep_the_next_deleted(self) -> None:
        """Skip: there is no such delete."""
        pytest.skip("no process outlives SIGKILL")

    def faults(self) -> Mapping[str, Fault]:
        """Skip: what a machine refuses is elsewhere."""
        pytest.skip("what a machine refuses is in tests/crash and tests/unit/local")

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Skip: a process has no states but two."""
        pytest.skip("a process runs or does not")

    def close(self) -> None:
        """SIGKILL to what is left."""
        for pid in self._ours():
            os.kill(pid, signal.SIGKILL)

    def _commands(self, ref: Ref) -> dict[int, bytes]:
        folder = self.home / "local" / ref.label
        return {pid: _proc(pid, "cmdline") for pid in self._ours() if _folder_of(pid) == folder}

    def _ours(self) -> list[int]:
        # A zombie has no environment: it is not among them.
        pids = (int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit())
        return [pid for pid in pids if self._mark.encode() in _proc(pid, "environ") and pid != os.getpid()]

    def _role(self, pid: int) -> str:
        return "gateway" if b"plexctl.gateway" in _proc(pid, "cmdline").split(b"\0") else "engine"


def _proc(pid: int, file: str) -> bytes:
    try:
        return (_PROC / str(pid) / file).read_bytes()
    except OSError:
        return b""


def _folder_of(pid: int) -> Path | None:
    try:
        return (_PROC / str(pid) / "cwd").readlink()
    except OSError:
        return None


WORLDS: dict[str, Callable[[Path], World]] = {
    "local": LocalWorld,
    "modal": lambda home: import_module("tests.clouds.modal.world").ModalWorld(home),
    "cloudrun": lambda home: import_module("tests.clouds.google.world").CloudRunWorld(home),
    "runpod": lambda home: import_module("tests.clouds.runpod.world").RunPodWorld(home),
    "vast": lambda home: import_module("tests.clouds.vast.world").VastWorld(home),
    "lambda": lambda home: import_module("tests.clouds.lambda_cloud.world").LambdaWorld(home),
}
"""Every built-in adapter has its entry here or below; a test holds that."""
ON_MACHINES: dict[str, Callable[[Path, Machines], World]] = {
    "ssh": lambda home, machines: import_module("tests.ssh_provider.world").SshWorld(home, machines),
    "ovh": lambda home, machines: import_module("tests.clouds.ovh.world").InstanceWorld(home, machines),
}
"""Adapters whose deployments need machines with an sshd: only where there is podman (marker `real`)."""
