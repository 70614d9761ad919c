"""The real CLI as a process of its own, in a clean environment, with everything it leaves behind found again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

STREAMING = frozenset({"--follow", "-f", "--watch"})
"""Flags with which --json means one document a line."""


NO_ENGINE = {"DOCKER_HOST": "unix:///nonexistent/engine.sock"}
"""The machine's own container engine is nobody's to look into, where a test names none."""


@dataclass(frozen=True)
class Result:
    """What one run of plexctl gave."""

    argv: tuple[str, ...]
    rc: int
    stdout: str
    stderr: str
    document: dict[str, Any] = field(default_factory=dict)
    """The JSON document on stdout; empty without --json."""

    @property
    def data(self) -> dict[str, Any]:
        """The `data` of the document."""
        found: dict[str, Any] = self.document["data"]
        return found


@dataclass(frozen=True)
class Plexctl:
    """Runs `python -m plexctl` with its own HOME and PLEXCTL_HOME under `root`, and no terminal."""

    root: Path

    @property
    def home(self) -> Path:
        """Plexctl's folder."""
        return self.root / "plexctl-home"

    @property
    def work(self) -> Path:
        """The working directory: empty at first."""
        return self.root / "work"

    def __call__(self, *argv: str, env: Mapping[str, str] | None = None, timeout_s: float = 60) -> Result:
        """Run plexctl to its end; with --json, assert that stdout is exactly one document that agrees with the code."""
        done = subprocess.run(
            [sys.executable, "-m", "plexctl", *argv],
            env=self.environment(env),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
            start_new_session=True,
        )
        stdout, stderr = done.stdout.decode(), done.stderr.decode()
        assert "Traceback" not in stderr, stderr
        document = {}
        if "--json" in argv and not STREAMING & set(argv):
            document = json.loads(stdout)
            assert document["schema"] == "plexctl/v1"
            assert document["ok"] is (done.returncode == 0)
            assert document["ok"] or document["error"]["exit_code"] == done.returncode
        return Result(argv, done.returncode, stdout, stderr, document)

    def ok(self, *argv: str, env: Mapping[str, str] | None = None) -> Result:
        """Run plexctl and assert that it succeeded."""
        result = self(*argv, env=env)
        assert result.rc == 0, f"{argv}: {result.rc}\n{result.stdout}\n{result.stderr}"
        return result

    def begin(self, *argv: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start plexctl and return at once; the caller ends it, and closes its pipes, with `with`."""
        return subprocess.Popen(
            [sys.executable, "-m", "plexctl", *argv],
            env=self.environment(env),
            cwd=self.work,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def deploy(self, *argv: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Deploy the echo engine without listening to it; return the document's data."""
        return self.ok("deploy", "-p", "local", "--engine", "echo", "--no-probe", "--json", *argv, env=env).data

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return a clean environment: nothing of the caller's but the path and what finds this checkout."""
        kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "TMPDIR") if name in os.environ}
        own = {"HOME": str(self.root), "PLEXCTL_HOME": str(self.home), "LANG": "C.UTF-8", **NO_ENGINE}
        return kept | own | dict(extra or {})

    def processes(self) -> list[int]:
        """Return the ids of all processes whose environment names our folder (Linux only)."""
        mark = f"HOME={self.root}".encode()
        return [pid for pid in every_pid() if mark in environ_of(pid).split(b"\0")]


@contextmanager
def plexctl_in(root: Path) -> Iterator[Plexctl]:
    """Give a Plexctl in `root`; afterwards destroy its deployments and assert that no process is left."""
    one = Plexctl(root)
    one.work.mkdir(parents=True)
    yield one
    has_some = (one.home / "local").is_dir() and any((one.home / "local").iterdir())
    listed = one("list", "--json").document if has_some else {}
    for name in [entry["name"] for entry in listed.get("data", {}).get("deployments", [])]:
        one("destroy", name, "--yes", "--json")
    left = one.processes()
    words = [Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode() for pid in left]
    for pid in left:
        os.kill(pid, 9)
    assert not left, f"left behind: {words}"


def every_pid() -> list[int]:
    """Return the ids of all processes that /proc shows."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*")]


def environ_of(pid: int) -> bytes:
    """Return a process's environment; empty when it is gone, a zombie, or another user's."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return b""


def argv_of(pid: int) -> bytes:
    """Return a process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
