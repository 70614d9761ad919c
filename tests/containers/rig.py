"""Podman with a store of its own: what others run beside a test is not seen, and what a test leaves is found.

Images of the machine's store can be read, such as those of `base_image.sh`; everything that is made goes into a folder
that `podman_in` removes.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BASE_IMAGE = Path(__file__).with_name("base_image.sh")
DEBIAN = "localhost/plexctl-debian:bookworm"
"""Debian 12 with Python 3.11."""
PYTHON312 = "localhost/plexctl-python:3.12"
"""The same with Python 3.12 first on the path; only where the machine has one."""
_CLOSING_S = 30.0

_CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=32768:32768"]
[network]
network_config_dir = "{folder}/networks"
[engine]
{runtime}cgroup_manager = "cgroupfs"
tmp_dir = "{folder}/tmp"
"""
_STORAGE_CONF = """\
[storage]
driver = "overlay"
graphroot = "{folder}/store"
runroot = "{folder}/run"
[storage.options]
additionalimagestores = ["{images}"]
"""


@dataclass(frozen=True)
class Podman:
    """Runs podman on its own store under `folder`, whose path is short: sockets lie in it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make podman, and what starts it, use this store."""
        conf, storage = self.folder / "containers.conf", self.folder / "storage.conf"
        return {"CONTAINERS_CONF": str(conf), "CONTAINERS_STORAGE_CONF": str(storage)}

    @property
    def docker_host(self) -> str:
        """The address of the service, for the variable DOCKER_HOST; `service` answers there."""
        return f"unix://{self.folder}/podman.sock"

    def run(self, *argv: str, timeout_s: float = 300) -> subprocess.CompletedProcess[str]:
        """Run podman to its end, whatever that is."""
        return subprocess.run(
            ["podman", *argv],
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def __call__(self, *argv: str, timeout_s: float = 300) -> str:
        """Run podman, assert that it succeeded, and return what it printed."""
        done = self.run(*argv, timeout_s=timeout_s)
        assert done.returncode == 0, f"podman {' '.join(argv)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def inspect(self, name: str) -> dict[str, Any]:
        """Return what podman knows of a container or image."""
        found: dict[str, Any] = json.loads(self("inspect", name))[0]
        return found

    def held(self) -> dict[str, list[str]]:
        """Return the names of all containers, networks and volumes."""
        return {
            "containers": sorted(self("ps", "--all", "--format", "{{.Names}}").split()),
            "networks": sorted(self("network", "ls", "--format", "{{.Name}}").split()),
            "volumes": sorted(self("volume", "ls", "--format", "{{.Name}}").split()),
        }

    @contextmanager
    def leaves_nothing(self) -> Iterator[None]:
        """Assert that the block leaves no container, network or volume behind; what it left is removed."""
        before = self.held()
        yield
        after = self.held()
        left = {kind: sorted(set(names) - set(before[kind])) for kind, names in after.items()}
        for name in left["containers"]:
            self("rm", "--force", "--time", "0", "--volumes", name)
        for kind, command in (("networks", "network"), ("volumes", "volume")):
            for name in left[kind]:
                self.run(command, "rm", "--force", name)
        assert not any(left.values()), f"left behind: {left}"

    @contextmanager
    def service(self) -> Iterator[str]:
        """Serve Docker's API on a socket; give the value for DOCKER_HOST."""
        argv = ["podman", "system", "service", "--time=0", self.docker_host]
        with subprocess.Popen(argv, env=os.environ | self.environment, stdout=subprocess.DEVNULL) as process:
            try:
                _wait_for_socket(self.folder / "podman.sock", process)
                yield self.docker_host
            finally:
                process.terminate()
                process.wait(_CLOSING_S)


def missing() -> str | None:
    """Say why there is no podman to use; None when there is."""
    if os.geteuid() != 0:
        return "the test images need root"
    lacking = [tool for tool in ("podman", "debootstrap") if shutil.which(tool) is None]
    return f"{' and '.join(lacking)} not installed" if lacking else None


def base_images() -> list[str]:
    """Make the test images where they are missing; return their names."""
    done = subprocess.run([str(BASE_IMAGE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@contextmanager
def podman_in_own_store() -> Iterator[Podman]:
    """Give a Podman with an empty store; afterwards its containers are ended and its folder is removed."""
    with tempfile.TemporaryDirectory(prefix="plexctl-podman-", dir="/tmp") as name:
        one = Podman(Path(name))
        _configure(one.folder)
        try:
            yield one
        finally:
            one("rm", "--all", "--force", "--time", "0", "--volumes")
            one("network", "prune", "--force")


def _configure(folder: Path) -> None:
    images = subprocess.run(
        ["podman", "info", "--format", "{{.Store.GraphRoot}}"], capture_output=True, text=True, check=True
    ).stdout.strip()
    # crun does not start in every sandbox that runc starts in.
    runtime = 'runtime = "runc"\n' if shutil.which("runc", path=f"{os.environ['PATH']}:/usr/sbin") else ""
    values: Mapping[str, object] = {"folder": folder, "images": images, "runtime": runtime}
    (folder / "networks").mkdir()
    (folder / "containers.conf").write_text(_CONTAINERS_CONF.format_map(values))
    (folder / "storage.conf").write_text(_STORAGE_CONF.format_map(values))


def _wait_for_socket(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _CLOSING_S
    while time.monotonic() < deadline:
        assert process.poll() is None, "podman's service ended at its start"
        with socket.socket(socket.AF_UNIX) as caller:
            if path.exists() and caller.connect_ex(str(path)) == 0:
                return
    raise AssertionError("podman's service does not answer")
