"""The image as `render` writes it, built and run for real."""

from __future__ import annotations

import http.client
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli.process import Plexctl
from tests.containers.rig import Podman

TOKEN = "token-of-a-test-4711"
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Running:
    """A container that was started from the image."""

    podman: Podman
    name: str
    port: int

    @property
    def url(self) -> str:
        """Where it takes callers."""
        return f"http://127.0.0.1:{self.port}"

    def health(self) -> int | None:
        """Return the status of /health; None while nobody answers."""
        caller = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            caller.request("GET", "/health")
            return caller.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            caller.close()

    def check(self) -> bool:
        """Run the image's HEALTHCHECK now, as a timer of systemd's would; tell whether it found it healthy."""
        done = self.podman.run("healthcheck", "run", self.name)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0

    @property
    def state(self) -> dict[str, Any]:
        """What podman knows of its state."""
        found: dict[str, Any] = self.podman.inspect(self.name)["State"]
        return found

    def log(self) -> str:
        """Return what it printed."""
        return self.podman("logs", self.name)


def render(plexctl: Plexctl, *arguments: str, engine: str) -> Path:
    """Write everything for this machine with the real CLI, secrets at hand; return the folder."""
    folder = plexctl.work / "rendered"
    # The process runtime wants to know NVIDIA's server here; the container brings its own.
    env = {"PLEXCTL_TOKEN": TOKEN, "HF_TOKEN": TOKEN, "PLEXCTL_ENGINE_PYTHON": "python3"}
    wish = ("--provider", "local", "--engine", engine)
    plexctl.ok("render", *wish, "--out", str(folder), *arguments, env=env)
    return folder


def hear_it_talk(plexctl: Plexctl, url: str) -> None:
    """Talk to it with the real CLI until the verdict is `talking`; on a busy machine the first may be `slow`."""
    verdicts: list[str] = []

    def talks() -> bool:
        probed = plexctl("probe", url, "--seconds", "2s", "--json", env={"PLEXCTL_TOKEN": TOKEN})
        verdicts.append(probed.data["verdict"])
        assert verdicts[-1] in ("talking", "slow"), probed.stdout
        return verdicts[-1] == "talking"

    wait_for(talks, "talking")


def build(podman: Podman, context: Path, tag: str, *arguments: str) -> str:
    """Build an image from rendered files as they are; return its name. As Docker does it, with its health check."""
    podman("build", "--format", "docker", "--pull=never", "--tag", tag, *arguments, str(context), timeout_s=1800)
    return tag


@contextmanager
def running(podman: Podman, image: str, *arguments: str, name: str = "voice") -> Iterator[Running]:
    """Run the image detached, without any right that it does not need; the container is removed afterwards."""
    fixed = ("--name", name, "--publish", "127.0.0.1::8998", "--cap-drop", "ALL", "--env", f"PLEXCTL_TOKEN={TOKEN}")
    podman("run", "--detach", *fixed, "--security-opt", "no-new-privileges", *arguments, image)
    try:
        yield Running(podman, name, int(podman("port", name, "8998/tcp").rpartition(":")[2]))
    finally:
        podman("rm", "--force", "--time", "0", name)


def wait_for(condition: Callable[[], object], what: str) -> None:
    """Ask again and again until it holds; fail with `what` when it never does."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"it never came: {what}"
        time.sleep(0.05)
