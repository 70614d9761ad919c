"""A host with a deployment's bundle on it, for bootstrap.sh alone: nobody logs in."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.containers.rig import Podman
from tests.machines.container import Container, remove, start
from tests.machines.images import TOKEN, filled, systemd_image, write


@dataclass
class Machine(Container):
    """A host with the bundle, which this side has in `bundle`, in /root/bundle."""

    bundle: Path

    def bootstrap(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        return self.run("bash", "/root/bundle/bootstrap.sh", *argv)

    def kill_at(self, stage: str, path: str) -> list[str]:
        """Run the script until a stage began and a path matches a pattern, kill its whole group; return its lines."""
        return self.ask("kill-at", stage, path)["lines"]

    def restart(self) -> None:
        """Shut it down, with time for what runs, and bring it up again."""
        self.podman("restart", "--time", "20", self.name)
        self.wait_until_up()

    def plexctl(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run the real CLI of this checkout in the machine's network, which is its loopback only."""
        command = ["nsenter", f"--net=/proc/{self.pid}/ns/net", sys.executable, "-m", "plexctl", *argv]
        environment = {"PATH": os.environ["PATH"], "PLEXCTL_HOME": str(self.bundle.parent), "PLEXCTL_TOKEN": TOKEN}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


@contextmanager
def machine_in(podman: Podman, image: str, files: Mapping[str, str], bundle: Path) -> Iterator[Machine]:
    """Give a machine with these files as its bundle, and with its secrets in place."""
    write(filled(files), bundle)
    has_systemd = image == systemd_image()
    with tempfile.TemporaryDirectory(prefix="plexctl-host-") as folder:
        mount = ("--volume", f"{bundle}:/root/bundle:ro")
        name = start(podman, image, Path(folder), *mount, has_systemd=has_systemd)
        try:
            machine = Machine(podman, name, Path(folder), has_systemd, bundle)
            machine.wait_until_up()
            machine("install", "-D", "--mode=0600", "/root/bundle/secrets.env", "/etc/plexctl/secrets.env")
            yield machine
        finally:
            remove(podman, name)
