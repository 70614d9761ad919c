"""Instances of a service: the real gateway in a process of its own, behind an address that stands for run.app's.

The container's environment is what was sent, with secrets out of the store; only the engine that needs a GPU is
replaced by echo, and what the image itself sets stands here.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

_DIRECT = build_opener(ProxyHandler({}))
_START_S = 30.0
_PIECE = 65536


class Instance:
    """One running container."""

    def __init__(self, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        own = {"PATH": os.environ["PATH"], "PLEXCTL_HOST": "127.0.0.1", "PORT": str(self.port), "PYTHONUNBUFFERED": "1"}
        engine = {"PLEXCTL_ENGINE": "echo"} if environment.get("PLEXCTL_ENGINE") == "personaplex" else {}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "plexctl.gateway"],
            env={**own, **environment, **engine},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, args=(say,), daemon=True)
        self._reader.start()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process.poll() is None

    def is_live(self) -> bool:
        """Ask /livez, as the start-up probe does."""
        try:
            with _DIRECT.open(f"http://127.0.0.1:{self.port}/livez", timeout=5) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def wait_until_live(self) -> bool:
        """Wait for the start-up probe."""
        deadline = time.monotonic() + _START_S
        while self.is_alive and time.monotonic() < deadline:
            if self.is_live():
                return True
            time.sleep(0.02)
        return False

    def end(self, *, at_once: bool = False) -> None:
        """SIGTERM, as Cloud Run does; SIGKILL where nobody listens any more."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL if at_once else signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _read(self, say: Callable[[str], None]) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            say(line.decode(errors="replace").rstrip("\n"))


class FrontDoor:
    """The address of one service: every connection goes to an instance, or gets Google's refusal."""

    def __init__(self, place: Callable[[], int | tuple[int, str]]) -> None:
        self._place = place
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Stop listening, and cut what is open."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    @property
    def connections(self) -> int:
        """How many callers are connected."""
        return len(self._open)

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _serve(self, caller: socket.socket) -> None:
        self._open.add(caller)
        try:
            with caller:
                found = self._place()
                if isinstance(found, int):
                    with socket.create_connection(("127.0.0.1", found), 10) as instance:
                        _join(caller, instance)
                else:
                    caller.recv(_PIECE)
                    code, words = found
                    head = f"HTTP/1.1 {code} {words}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                    caller.sendall(head.encode())
        except OSError:
            pass
        finally:
            self._open.discard(caller)


def _join(one: socket.socket, other: socket.socket) -> None:
    """Hand on bytes both ways until either side ends."""
    while True:
        for ready in select.select([one, other], [], [])[0]:
            piece = ready.recv(_PIECE)
            if not piece:
                return
            (other if ready is one else one).sendall(piece)
