"""The detached process and the files that find it again: the only I/O of the local provider.

A deployment's folder holds `lock`, `port`, `gateway.log` and nothing secret. `lock` is flock-ed by the gateway and, by
inheritance, by its engines: the lock is held exactly as long as any process of the deployment lives, so that no
reused process id can be taken for it, whatever was killed when. The gateway writes its own process id, which is
also its process group's, into the lock file at its very start.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from plexctl.folders import make_private
from plexctl_providers.local.errors import os_errors
from plexctl_providers.local.settings import HOST

_LAST_PORT = 65535
_PORTS_TRIED = 200
_POLL_S = 0.02
_FOLLOW_S = 0.1
_PORT = "port"
_BIRTH_S = 15.0
"""How long a process may take from its fork to writing its id."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one local deployment."""

    path: Path

    @property
    def log(self) -> Path:
        """Everything that the gateway and its engines print."""
        return self.path / "gateway.log"

    @property
    def lock(self) -> Path:
        """Held while any process of the deployment lives; holds the gateway's process id."""
        return self.path / "lock"

    def exists(self) -> bool:
        """Tell whether the deployment is on this machine at all."""
        return self.path.is_dir()

    def is_alive(self) -> bool:
        """Tell whether any process of the deployment lives."""
        import fcntl

        with os_errors(f"look at {self.lock}"):
            try:
                descriptor = os.open(self.lock, os.O_RDWR)
            except FileNotFoundError:
                return False
        try:
            # Shared, so that two who look at the same moment do not take each other for the deployment.
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def pid(self) -> int | None:
        """Return the gateway's process id, which is worth something only while `is_alive`."""
        return _number_in(self.lock)

    def port(self) -> int | None:
        """Return the port of the last gateway that was started here."""
        return _number_in(self.path / _PORT)

    def last_lines(self, count: int) -> list[str]:
        """Return the last lines of the log."""
        return list(read(self.log, count))


def listen(port: int | None, first: int) -> socket.socket:
    """Return a listening socket on the loopback: on `port`, or when None on the first free one from `first`.

    Raises ConflictError when the port is taken. The socket is inherited by the gateway, so that nobody can take the
    port in between.
    """
    if port is not None:
        with os_errors(f"listen on {HOST}:{port}"):
            return _bind(port)
    for candidate in range(first, min(first + _PORTS_TRIED, _LAST_PORT)):
        try:
            return _bind(candidate)
        except OSError:
            continue
    with os_errors("find a free port"):
        return _bind(0)


def spawn(folder: RunFolder, environment: Mapping[str, str], listener: socket.socket) -> int:
    """Start the gateway in its own session with the lock held from before its first instruction; return its pid."""
    import fcntl

    with os_errors("start the gateway"):
        make_private(folder.path)
        lock = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Whoever looks whether it is alive holds the lock for an instant: waited for.
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.ftruncate(lock, 0)
            with open(folder.path / _PORT, "w", encoding="ascii", opener=_private) as port:
                port.write(f"{listener.getsockname()[1]}\n")
            with open(folder.log, "ab", opener=_private) as log:
                process = subprocess.Popen(
                    [sys.executable, "-m", "plexctl.gateway"],
                    env={**environment, "PLEXCTL_LISTEN_FD": str(listener.fileno()), "PLEXCTL_PID_FD": str(lock)},
                    cwd=folder.path,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                    pass_fds=(listener.fileno(), lock),
                )
            os.pwrite(lock, f"{process.pid}\n".encode(), 0)  # the gateway writes the same, should we die before this
        finally:
            os.close(lock)
    process.returncode = 0  # It is meant to outlive us: no ResourceWarning, no waiting.
    return process.pid


def end(folder: RunFolder, grace_s: float) -> bool:
    """End every process of the deployment: SIGTERM to the gateway, SIGKILL to the group after `grace_s`.

    A group that was suspended is woken, so that it can end in order.

    Returns True when the lock is free, that is when nothing of it lives.
    """
    if not folder.is_alive():
        return True
    wait_until(lambda: folder.pid() is not None or not folder.is_alive(), _BIRTH_S)
    pid = folder.pid()
    if pid is None:
        return not folder.is_alive()
    _signal(lambda: os.kill(pid, signal.SIGTERM))
    _signal(lambda: os.killpg(pid, signal.SIGCONT))
    if wait_until(lambda: not folder.is_alive(), grace_s):
        return True
    # The lock is held, so a member of the group lives, so the group's id cannot be another's.
    _signal(lambda: os.killpg(pid, signal.SIGKILL))
    return wait_until(lambda: not folder.is_alive(), _BIRTH_S)


def remove(folder: RunFolder) -> None:
    """Delete the folder of a deployment that has ended."""
    import shutil

    with os_errors(f"remove {folder.path}"):
        try:
            shutil.rmtree(folder.path)
        except FileNotFoundError:
            return


def read(path: Path, tail: int | None = None, goes_on: Callable[[], bool] | None = None) -> Iterator[str]:
    """Yield the last `tail` lines of a file (all when None); a missing file has none.

    With `goes_on`, yield what is appended too, without a gap, until it says no and everything is read.
    """
    from collections import deque

    try:
        stream = path.open(encoding="utf-8", errors="replace", newline="\n")
    except FileNotFoundError:
        return
    with stream:
        lines = deque(stream, maxlen=tail)
        begun = lines.pop() if goes_on and lines and not lines[-1].endswith("\n") else ""
        yield from (line.rstrip("\n") for line in lines)
        if goes_on:
            yield from _appended(stream, begun, goes_on)


def _appended(stream: TextIO, begun: str, goes_on: Callable[[], bool]) -> Iterator[str]:
    ended = False
    while True:
        piece = stream.readline()
        begun += piece
        if begun.endswith("\n"):
            yield begun[:-1]
            begun = ""
        elif not piece and ended:
            break
        elif not piece:
            ended = not goes_on()
            time.sleep(0 if ended else _FOLLOW_S)
    if begun:
        yield begun


def wait_until(condition: Callable[[], bool], limit_s: float) -> bool:
    """Poll until the condition holds or `limit_s` is over; return whether it holds."""
    deadline = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def has_gpu() -> str | None:
    """Return the name of the first NVIDIA GPU of this machine, or None."""
    try:
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"],
            capture_output=True,
            check=True,
            timeout=10,
            text=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip().partition("\n")[0].strip() or None


def _bind(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without it a port stays taken for a minute after its last connection; it does not let two listeners share.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _number_in(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _signal(send: Callable[[], None]) -> None:
    with os_errors("end the gateway"):
        try:
            send()
        except ProcessLookupError:
            return
