"""The real CLI and a machine of the user's own, and the moments of a deployment at which a test steps in."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tests.cli.process import Plexctl, Result
from tests.machines.client import Person
from tests.machines.machine import Machine

CANARY = "canary-5d1e0a7b44f2"
LOG = "var/lib/plexctl/bootstrap.log"
MOMENTS = {
    "claimed": ("var/lib/plexctl/deployment", ""),
    "files": ("var/lib/plexctl/incoming", ""),
    "secrets": ("etc/plexctl/secrets.env", ""),
    "begun": (LOG, "stage 1/9 system started"),
    "environment": (LOG, "stage 5/9 gateway-environment started"),
    "service": (LOG, "stage 7/9 service started"),
    "ready": (LOG, "ready on 127.0.0.1:8998"),
}
"""What is on the machine then: a file, and words in it. In the order of a deployment."""
_PATIENCE_S = 60.0
_STEP_S = 0.002
_PLACES = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr/local", "/var/lib", "/var/spool")  # noqa: S108

_OTHERS = ("/opt/plexctl", "/var/lib/apt/", "/var/lib/dpkg/", "/run/sudo", "/run/motd.dynamic")
"""What was there before, and what apt, sudo and a login write."""
_SYSTEMDS = ("/run/", "/tmp/systemd-private")  # noqa: S108


@dataclass(frozen=True)
class Ground:
    """A user with plexctl, and a machine that is theirs."""

    plexctl: Plexctl
    person: Person
    machine: Machine

    @property
    def wish(self) -> tuple[str, ...]:
        """The arguments of a deployment to the machine, without a conversation at its end."""
        way = ("--host", self.machine.destination, "--identity", str(self.person.identity))
        return ("deploy", "-p", "ssh", *way, "-n", "voice", "--engine", "echo", "--yes", "--json", "--no-probe")

    @property
    def environment(self) -> Mapping[str, str]:
        """What the user's shell has beside a clean environment."""
        return {"PLEXCTL_TOKEN": CANARY}

    def __call__(self, *argv: str, timeout_s: float = 120) -> Result:
        """Run plexctl to its end, whatever that is."""
        return self.plexctl(*argv, env=self.environment, timeout_s=timeout_s)

    def ok(self, *argv: str) -> Result:
        """Run plexctl, which succeeds."""
        result = self(*argv)
        assert result.rc == 0, f"{argv}: {result.rc}\n{result.stdout}\n{result.stderr}"
        return result

    def state(self) -> str:
        """Return the deployment's state as `status` has it."""
        found: str = self.ok("status", "voice", "--json").data["deployments"][0]["state"]
        return found

    def begin(self, *argv: str) -> subprocess.Popen[str]:
        """Start plexctl and return at once."""
        return self.plexctl.begin(*argv, env=self.environment)

    def at(self, moment: str) -> None:
        """Wait until the deployment that is under way has come so far."""
        path, words = MOMENTS[moment]
        deadline = time.monotonic() + _PATIENCE_S
        root = Path(f"/proc/{self.machine.pid}/root")
        while not _has(root / path, words):
            assert time.monotonic() < deadline, f"it never came to {moment}: {self.log()}"
            time.sleep(_STEP_S)

    def log(self) -> str:
        """Return what the bootstrap said on the machine."""
        return self.machine.run("cat", f"/{LOG}").stdout

    def files(self) -> dict[str, list[str]]:
        """Return what is on the machine where plexctl could put something, without times.

        The warm folder is left out, and of systemd what it notes while it runs.
        """
        others = (*_OTHERS, *_SYSTEMDS) if self.machine.has_systemd else _OTHERS
        found = self.machine.listing(*_PLACES)
        return {path: row[:3] for path, row in found.items() if not path.startswith(others) and path[-1] != "-"}

    def gone(self, before: dict[str, list[str]]) -> None:
        """Assert that nothing of plexctl's is left: on the machine, among its processes, in the journal."""
        after = self.files()
        other = sorted(path for path in {*before, *after} if before.get(path) != after.get(path))
        assert not other, f"not as before: {other}"
        left = [line for line in self.machine.processes() if "plexctl" in line]
        assert not left, f"it still runs: {left}"
        assert self.ok("list", "--json").data["deployments"] == []

    def document(self, process: subprocess.Popen[str]) -> tuple[int, dict[str, Any]]:
        """Wait for a plexctl that was started; return its exit code and its JSON document."""
        out, err = process.communicate(timeout=_PATIENCE_S)
        assert "Traceback" not in err, err
        return process.returncode, json.loads(out)


@contextmanager
def killed(process: subprocess.Popen[str]) -> Iterator[IO[str]]:
    """Give what plexctl prints, and kill it with everything that it started at the end of the block."""
    with process:
        try:
            assert process.stdout is not None
            yield process.stdout
        finally:
            os.killpg(process.pid, signal.SIGKILL)


def _has(path: Path, words: str) -> bool:
    try:
        return path.exists() and (not words or words in path.read_text(errors="replace"))
    except OSError:
        return False
