"""The real CLI as processes in a folder of its own, and a look behind its back: processes, ports, journal, files."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from tests.cli.process import NO_ENGINE

ECHO = ("--provider", "local", "--engine", "echo", "--yes", "--json")
_SCRUBBED = ("PLEXCTL_", "HF_", "PORT", "PYTHONPATH")
_PROC = Path("/proc")
_MARK = "PLEXCTL_TEST_MARK"
_LIMIT_S = 40.0


@dataclass(frozen=True, slots=True)
class Done:
    """A command that has ended; `document` is what `--json` printed, always one whole document."""

    code: int
    document: Mapping[str, Any]
    words: str

    @property
    def data(self) -> Any:
        """What the command answered."""
        return self.document["data"]

    @property
    def error(self) -> Any:
        """Why the command failed."""
        return self.document["error"]


def until(condition: Callable[[], bool], what: str = "it", limit_s: float = _LIMIT_S) -> None:
    """Poll until the condition holds; fail after the limit."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not come about within {limit_s:g} s"
        time.sleep(0.003)


def spare_port() -> int:
    """Return a free port below those that the system gives out and above those that plexctl looks at by itself."""
    while True:
        port = random.randrange(20_000, 30_000)  # noqa: S311 - so that tests side by side do not meet
        if is_free(port):
            return port


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of the loopback."""
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) != 0


class Machine:
    """One PLEXCTL_HOME and everything that was started for it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.own_port = spare_port()
        self._mark = uuid4().hex
        clean = {name: value for name, value in os.environ.items() if not name.startswith(_SCRUBBED)}
        self.environment = {**clean, **NO_ENGINE, "PLEXCTL_HOME": str(home), _MARK: self._mark}

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[str]:
        """Start plexctl."""
        return subprocess.Popen(
            [sys.executable, "-m", "plexctl", *arguments],
            env=self.environment,
            cwd=self.home.parent,
            stdin=subprocess.DEVNULL,
            text=True,
            **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
        )

    def finish(self, process: subprocess.Popen[str]) -> Done:
        """Wait for plexctl's end."""
        with process:
            out, words = process.communicate(timeout=_LIMIT_S)
        return Done(process.returncode, json.loads(out) if out else {}, words or "")

    def run(self, *arguments: str) -> Done:
        """Run plexctl with `--json`; its stdout must be one document."""
        return self.finish(self.start(*arguments, *([] if "--json" in arguments else ["--json"])))

    @property
    def echo(self) -> tuple[str, ...]:
        """The arguments that deploy `voice` with echo, on a port that nobody else takes."""
        return ("deploy", "--name", "voice", *ECHO, "--port", str(self.own_port))

    def deploy(self, *arguments: str) -> Done:
        """Deploy an echo engine without listening to it."""
        return self.run(*self.echo, "--no-probe", *arguments)

    def states(self) -> dict[str, str]:
        """Return what `status` says, by name."""
        done = self.run("status")
        assert done.code == 0, done
        return {one["name"]: one["state"] for one in done.data["deployments"]}

    def processes(self) -> set[int]:
        """Return the live processes that belong to this machine: by their environment or working directory."""
        return {int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit() and self._is_ours(entry)}

    def _is_ours(self, entry: Path) -> bool:
        try:
            if (entry / "stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
            ours = f"{_MARK}={self._mark}".encode() in (entry / "environ").read_bytes().split(b"\0")
            return ours or (entry / "cwd").readlink().is_relative_to(self.home)
        except OSError:
            return False

    def folder(self, name: str = "voice") -> Path | None:
        """Return the folder of a deployment, None when there is none."""
        return next(iter(self.home.glob(f"local/plexctl-{name}-*")), None)

    def log(self, name: str = "voice") -> str:
        """Return the log of a deployment so far."""
        return self._text("gateway.log", name)

    def gateway(self, name: str = "voice") -> int:
        """Return the process id that the gateway wrote, 0 before it did."""
        return int(self._text("lock", name) or 0)

    def engine(self, name: str = "voice") -> int:
        """Return the process id of the gateway's engine, 0 while there is none."""
        children = _PROC / str(self.gateway(name)) / "task" / str(self.gateway(name)) / "children"
        try:
            return int((children.read_text().split() or ["0"])[0])
        except OSError:
            return 0

    def port(self, name: str = "voice") -> int:
        """Return the port of a deployment, 0 before it is known."""
        return int(self._text("port", name) or 0)

    def _text(self, file: str, name: str) -> str:
        folder = self.folder(name)
        try:
            return (folder / file).read_text() if folder else ""
        except OSError:
            return ""

    def recorded(self, sql: str) -> bool:
        """Tell whether a query of the journal's file finds a row."""
        try:
            with closing(sqlite3.connect(f"file:{self.home}/journal.db?mode=ro", uri=True)) as connection:
                return connection.execute(sql).fetchone() is not None
        except sqlite3.OperationalError:
            return False

    def ends_clean(self) -> None:
        """Check that `stop` and then `destroy` succeed, and leave no process, no port and no folder."""
        is_known = self.recorded("SELECT 1 FROM deployments WHERE gone_at IS NULL")
        stopped = self.run("stop", "voice")
        assert stopped.code == (0 if is_known else 10), stopped.document
        assert self.processes() == set()
        destroyed = self.run("destroy", "voice", "--yes")
        assert destroyed.code == (0 if is_known else 10), destroyed.document
        self.is_clean()

    def is_clean(self) -> None:
        """Check that nothing is left: no process, no folder, no record that lives, nobody at the port."""
        assert self.processes() == set()
        assert self.folder() is None
        assert not self.recorded("SELECT 1 FROM deployments WHERE gone_at IS NULL")
        assert is_free(self.own_port)

    def end_all(self) -> None:
        """End whatever a failed test left."""
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
