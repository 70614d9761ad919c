"""Images of machines, in the machine's own store: made once, found again by the hash of what they are made of.

`bare`: a Debian that was never touched, with sshd; what a deployment installs is in it as packages, for a machine
without a network. `warm`: the same with the gateway's Python environment below /opt/plexctl/versions already, so that a
deployment of the echo engine takes a second. `systemd`: `bare` with systemd and Docker; `warm-systemd`:
`warm` with systemd alone.
"""

from __future__ import annotations

import fcntl
import hashlib
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal, cast

from tests.containers.rig import DEBIAN, base_images
from tests.hosts.cases import CASES, FILLED

from plexctl_providers._common.placeholders import fill

Image = Literal["bare", "warm", "systemd", "warm-systemd"]
TOKEN = "token-of-a-test"
_LOCK = Path("/run/lock/plexctl-machine-images.lock")
_BUILD_S = 900
_BARE = f"""\
FROM {DEBIAN}
# Packages and wheels are fetched here, once; the machines themselves have no network.
RUN apt-get update && apt-get install --yes --no-install-recommends openssh-server openssl sudo \\
 && apt-get install --yes --no-install-recommends --download-only caddy \\
 && rm --force /etc/ssh/ssh_host_*
COPY requirements.txt /wheels/
RUN python3 -m venv /tmp/venv \\
 && /tmp/venv/bin/pip download --quiet --no-deps --dest /wheels --requirement /wheels/requirements.txt \\
 && rm --recursive --force /tmp/venv
# Others than the builder's shell have no part in ENV: who comes in by ssh reads this.
RUN printf '[global]\\nno-index = true\\nfind-links = /wheels\\n' >/etc/pip.conf
"""
_WARM = """\
FROM {bare}
# What bootstrap.sh makes in its longest stage, under the name that it gives it; a test says whether it still does.
RUN mkdir --parents /tmp/bundle/image /opt/plexctl/versions && cd /tmp/bundle \\
 && cp /wheels/requirements.txt image/gateway-requirements.txt \\
 && hash=$(sha256sum image/gateway-requirements.txt | sha256sum | cut --characters=1-16) \\
 && target=/opt/plexctl/versions/gateway-$hash \\
 && python3 -m venv $target \\
 && $target/bin/python -m pip install --quiet --no-cache-dir --no-deps --requirement image/gateway-requirements.txt \\
 && touch $target/complete && rm --recursive /tmp/bundle
"""
_SYSTEMD = """\
FROM {bare}
# Docker's default for this kernel is the host's own control groups, which a container has not.
RUN apt-get install --yes --no-install-recommends dbus docker.io iptables systemd systemd-sysv \\
 && mkdir --parents /etc/docker \\
 && echo '{{"default-cgroupns-mode": "private"}}' >/etc/docker/daemon.json
"""
_WARM_SYSTEMD = """\
FROM {warm}
RUN apt-get install --yes --no-install-recommends dbus systemd systemd-sysv
"""


@cache
def bare_image() -> str:
    """Return the image of a Debian that nobody touched; it is made where there is none."""
    requirements = CASES["ssh-echo"].files()["image/gateway-requirements.txt"]
    return _made("bare", _BARE, {"requirements.txt": requirements})


@cache
def warm_image() -> str:
    """Return the image in which a deployment of the echo engine has nothing to install."""
    return _made("warm", _WARM.format(bare=bare_image()), {})


@cache
def systemd_image() -> str:
    """Return the image of a machine with systemd and Docker."""
    return _made("systemd", _SYSTEMD.format(bare=bare_image()), {})


@cache
def warm_systemd_image() -> str:
    """Return the image of a machine with systemd, without Docker, in which there is nothing to install."""
    return _made("warm-systemd", _WARM_SYSTEMD.format(warm=warm_image()), {})


IMAGES: Mapping[Image, Callable[[], str]] = {
    "bare": bare_image,
    "warm": warm_image,
    "systemd": systemd_image,
    "warm-systemd": warm_systemd_image,
}


def filled(files: Mapping[str, str]) -> dict[str, str]:
    """Return a bundle's files with a value for every placeholder of plexctl's."""
    values = FILLED | {"PLEXCTL_TOKEN": TOKEN}
    return {
        path: text if path.startswith("image/") else cast("str", fill(text, values)) for path, text in files.items()
    }


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write files below a folder, which need not be there."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")


def _made(kind: str, recipe: str, files: Mapping[str, str]) -> str:
    """Build the image, unless there is one of the same recipe and files; return its name."""
    inputs = repr((recipe, sorted(files.items())))
    name = f"localhost/plexctl-machine:{kind}-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}"
    with _one_at_a_time(), tempfile.TemporaryDirectory(prefix="plexctl-image-") as context:
        if subprocess.run(["podman", "image", "exists", name], check=False).returncode != 0:
            base_images()
            write({"Containerfile": recipe, **files}, Path(context))
            argv = ["podman", "build", "--pull=never", "--tag", name, context]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=_BUILD_S, check=False)
            assert done.returncode == 0, f"{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return name


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with _LOCK.open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    for make in IMAGES.values():
        make()
