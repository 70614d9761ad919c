"""A fresh Debian host without a network, as a container, with systemd or without; what it installs is in its image."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from tests.containers.rig import Podman
from tests.hosts.cases import FILLED

from plexctl_providers._common.placeholders import fill

IMAGE = "localhost/plexctl-host:test"
SYSTEMD_IMAGE = "localhost/plexctl-host-systemd:test"
TOKEN = "token-of-a-test"
INSIDE = Path(__file__).with_name("inside.py")
_CONTAINERFILE = """\
FROM {base}
# Packages and wheels are fetched here, once; the machines themselves have no network.
RUN apt-get update && apt-get install --yes --no-install-recommends openssl \\
 && apt-get install --yes --no-install-recommends --download-only caddy
COPY requirements.txt /wheels/
RUN python3 -m venv /tmp/venv \\
 && /tmp/venv/bin/pip download --quiet --no-deps --dest /wheels --requirement /wheels/requirements.txt \\
 && rm -rf /tmp/venv
ENV PIP_NO_INDEX=1 PIP_FIND_LINKS=/wheels
"""
_WITH_SYSTEMD = f"""\
FROM {IMAGE}
# Docker's default for this kernel is the host's own control groups, which a container has not.
RUN apt-get install --yes --no-install-recommends dbus docker.io iptables systemd systemd-sysv \\
 && mkdir --parents /etc/docker \\
 && echo '{{"default-cgroupns-mode": "private"}}' >/etc/docker/daemon.json
"""
_SYSTEMD = ("--systemd", "always", "--privileged", "--volume", "/var/lib/docker")
_PATIENCE_S = 60.0


@dataclass(frozen=True)
class Machine:
    """The container `name`, with the bundle in /root/bundle."""

    podman: Podman
    name: str
    bundle: Path

    def run(self, *argv: str, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root, to its end, whatever that is."""
        return self.podman.run("exec", self.name, *argv, timeout_s=timeout_s)

    def __call__(self, *argv: str) -> str:
        """Run a command in it that succeeds, and return its output."""
        return self.podman("exec", self.name, *argv)

    def bootstrap(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run the script."""
        return self.run("bash", "/root/bundle/bootstrap.sh", *argv)

    def ask(self, what: str, *argv: str) -> dict[str, list[str]]:
        """Return what `inside.py` answers."""
        found: dict[str, list[str]] = json.loads(self("python3", "/root/inside.py", what, *argv))
        return found

    def until(self, expected: str, *argv: str) -> None:
        """Wait until a command's output is this."""
        deadline = time.monotonic() + _PATIENCE_S
        while (found := self.run(*argv).stdout.strip()) != expected:
            assert time.monotonic() < deadline, f"{' '.join(argv)} says {found!r}, not {expected!r}"

    def listing(self, *roots: str) -> dict[str, list[str]]:
        """Return path to kind, mode, owner, contents and time of everything below these folders."""
        return self.ask("listing", *roots)

    def kill_at(self, stage: str, path: str) -> list[str]:
        """Run the script until a stage began and a path matches a pattern, kill its whole group; return its lines."""
        return self.ask("kill-at", stage, path)["lines"]

    def plexctl(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run the real CLI of this checkout in the machine's network, which is its loopback only."""
        pid = str(self.podman.inspect(self.name)["State"]["Pid"])
        command = ["nsenter", f"--net=/proc/{pid}/ns/net", sys.executable, "-m", "plexctl", *argv]
        environment = {"PATH": os.environ["PATH"], "PLEXCTL_HOME": str(self.bundle.parent), "PLEXCTL_TOKEN": TOKEN}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


def make_image(podman: Podman, base: str, requirements: str, folder: Path) -> str:
    """Build the image of a fresh machine; return its name."""
    (folder / "Containerfile").write_text(_CONTAINERFILE.format(base=base), encoding="utf-8")
    (folder / "requirements.txt").write_text(requirements, encoding="utf-8")
    podman("build", "--pull=never", "--tag", IMAGE, str(folder), timeout_s=600)
    return IMAGE


def make_systemd_image(podman: Podman, folder: Path) -> str:
    """Build the image of a fresh machine with systemd and Docker, on that of one without; return its name."""
    (folder / "Containerfile").write_text(_WITH_SYSTEMD, encoding="utf-8")
    podman("build", "--pull=never", "--tag", SYSTEMD_IMAGE, str(folder), timeout_s=600)
    return SYSTEMD_IMAGE


@contextmanager
def machine_in(podman: Podman, image: str, files: Mapping[str, str], folder: Path) -> Iterator[Machine]:
    """Give a machine with these files as its bundle, and with its secrets in place."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        is_filled = not path.startswith("image/")
        target.write_text(cast("str", fill(text, FILLED | {"PLEXCTL_TOKEN": TOKEN})) if is_filled else text, "utf-8")
    mounts = ("--volume", f"{folder}:/root/bundle:ro", "--volume", f"{INSIDE}:/root/inside.py:ro")
    has_systemd = image == SYSTEMD_IMAGE
    options, first = (_SYSTEMD, ("/sbin/init",)) if has_systemd else ((), ("sleep", "infinity"))
    name = podman("run", "--detach", "--network", "none", *mounts, *options, image, *first)
    machine = Machine(podman, name, folder)
    try:
        if has_systemd:
            machine.until("running", "systemctl", "is-system-running", "--wait")
        machine("install", "-D", "--mode=0600", "/root/bundle/secrets.env", "/etc/plexctl/secrets.env")
        yield machine
    finally:
        podman("rm", "--force", "--time", "0", "--volumes", name)
