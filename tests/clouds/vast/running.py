"""What runs in an instance: the real gateway as a process, or a thread that answers as quickly as tests want it to."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Protocol

_ROOT = Path(__file__).parents[3]
_GRACE_S = 20.0


class Container(Protocol):
    """A started container."""

    port: int
    """Of the host, that leads to the gateway's."""

    def is_alive(self) -> bool:
        """Tell whether it runs."""

    def stop(self) -> None:
        """End it in order."""

    def kill(self) -> None:
        """End it at once."""


def free_port() -> int:
    """Return a port that nobody has."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class RealGateway:
    """`python -m plexctl.gateway` with the instance's own environment; an engine that needs a GPU becomes echo."""

    def __init__(self, env: Mapping[str, str], log: Path, port: int) -> None:
        self.port = port
        paths = os.pathsep.join(str(_ROOT / name) for name in ("src", "providers", "templates"))
        own = {name: value for name, value in env.items() if not name.startswith("-p ")}
        # What the image and its network namespace would give.
        image = {"PATH": os.environ["PATH"], "PYTHONPATH": paths, "PYTHONUNBUFFERED": "1", "PLEXCTL_ENGINE": "echo"}
        inside = {"PLEXCTL_HOST": "127.0.0.1", "PLEXCTL_PORT": str(port)}
        with log.open("ab") as output:
            argv = [sys.executable, "-m", "plexctl.gateway"]
            self._process = subprocess.Popen(
                argv, env=own | image | inside, stdout=output, stderr=output, start_new_session=True
            )

    def is_alive(self) -> bool:
        """Tell whether the gateway runs."""
        return self._process.poll() is None

    def stop(self) -> None:
        """SIGTERM, as Docker does, and SIGKILL after its patience."""
        self._process.terminate()
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the gateway and its engines."""
        if self.is_alive():
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


class QuickGateway:
    """A gateway's `/health` and the lines of its log, at once."""

    def __init__(self, env: Mapping[str, str], log: Path, port: int) -> None:
        del env
        self.port = port
        self._log = log
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _Health)
        # It answers nobody before anybody asks: most tests never do.
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.005,), daemon=True)
        self._thread.start()
        self._is_alive = True
        for line in ("gateway plexctl stands in", f"gateway listening on http://127.0.0.1:{port}"):
            self._write(line)
        for line in ("engine-0 starting", "engine-0 is ready"):
            self._write(line)

    def is_alive(self) -> bool:
        """Tell whether it answers."""
        return self._is_alive

    def stop(self) -> None:
        """Say goodbye and end."""
        if self._is_alive:
            self._write("gateway draining: SIGTERM")
            self._write("gateway stopped")
        self.kill()

    def kill(self) -> None:
        """End without a word."""
        if self._is_alive:
            self._is_alive = False
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()

    def _write(self, text: str) -> None:
        with self._log.open("a", encoding="utf-8") as log:
            log.write(f"{datetime.now(UTC).isoformat(timespec='milliseconds')} {text}\n")


class _Health(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        state = {"state": "ready", "phase": "ready", "progress": None, "engines": 1, "busy": 0, "reason": None}
        content = json.dumps(state).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
