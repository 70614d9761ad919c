from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers.rig import Podman
from tests.hosts.cases import CASES
from tests.hosts.machine import Machine, machine_in

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

NVIDIA_SMI = """#!/bin/sh
case "$*" in
*query-gpu*) echo "{driver}, {capability}" ;;
*) echo "| NVIDIA-SMI {driver}    Driver Version: {driver}    CUDA Version: {cuda}     |" ;;
esac
"""


def refusal(machine: Machine) -> tuple[int, str]:
    """Run the script; return its exit code and the reason on its last line."""
    done = machine.bootstrap()
    return done.returncode, done.stdout.splitlines()[-1].partition(" failed: ")[2]


def put_driver(machine: Machine, driver: str, cuda: str, capability: str) -> None:
    """Put a tool there that answers as NVIDIA's does."""
    text = NVIDIA_SMI.format(driver=driver, cuda=cuda, capability=capability)
    machine("sh", "-c", 'printf %s "$1" >/usr/local/bin/nvidia-smi; chmod +x /usr/local/bin/nvidia-smi', "sh", text)


@pytest.fixture
def gpu_machine(podman: Podman, machine_image: str, tmp_path: Path) -> Iterator[Machine]:
    """Give a fresh host with the bundle for upstream's engine."""
    with machine_in(podman, machine_image, CASES["ssh"].files(), tmp_path / "bundle") as one:
        yield one


def test_what_is_wrong_with_a_gpu_is_said_first(gpu_machine: Machine) -> None:
    """No driver, an old driver, and a GPU that the image is not made for: each its code, its words and the fix."""
    machine = gpu_machine
    assert refusal(machine) == (15, "no NVIDIA driver: nvidia-smi is missing; install driver 530 or newer")
    put_driver(machine, "470.82", "11.4", "8.6")
    assert refusal(machine) == (
        16,
        "driver 470.82 is for CUDA 11.4, and CUDA 12.1 is needed: install driver 530 or newer",
    )
    put_driver(machine, "580.65", "13.0", "12.0")
    assert refusal(machine) == (
        17,
        "this GPU (12.0) is newer than image profile cu121 knows: set image.profile to cu128",
    )
    put_driver(machine, "535.104", "12.2", "8.9")
    code, words = refusal(machine)
    assert (code, words) == (
        12,
        "PersonaPlex's pins need Python 3.12, as on Ubuntu 24.04: use that, or set host.runtime to docker",
    ), "the GPU is fine, and the next thing that is not is said"


def test_what_is_in_the_way_is_said_first(machine: Machine) -> None:
    """Secrets missing or readable by others, a taken port, another deployment, another run: each its code."""
    machine("chmod", "0644", "/etc/plexctl/secrets.env")
    assert refusal(machine)[0] == 25
    machine("chmod", "0600", "/etc/plexctl/secrets.env")

    machine("sh", "-c", "python3 -m http.server --bind 127.0.0.1 8998 >/dev/null 2>&1 & echo $! >/tmp/server")
    machine("bash", "-c", "until exec 3<>/dev/tcp/127.0.0.1/8998; do :; done 2>/dev/null")
    assert refusal(machine) == (14, "port 8998 is taken by another program")
    machine("sh", "-c", "kill $(cat /tmp/server)")

    machine("sh", "-c", "echo other >/var/lib/plexctl/deployment")
    assert refusal(machine)[0] == 26
    machine("rm", "/var/lib/plexctl/deployment")

    held = machine.run("flock", "/var/lib/plexctl/lock", "bash", "/root/bundle/bootstrap.sh")
    assert held.returncode == 11
    assert machine.run("setpriv", "--reuid=1000", "bash", "/root/bundle/bootstrap.sh").returncode in {10, 126}
    assert machine.bootstrap("--instal").returncode == 2


def test_a_full_disk_is_said_before_anything_is_installed(podman: Podman, machine_image: str, tmp_path: Path) -> None:
    """Less room than is needed is refused with both figures."""
    files = dict(CASES["ssh-echo"].files())
    files["bootstrap.sh"] = files["bootstrap.sh"].replace("readonly DISK_GB=2\n", "readonly DISK_GB=999999\n")
    with machine_in(podman, machine_image, files, tmp_path / "bundle") as machine:
        code, words = refusal(machine)
        assert code == 13
        assert words.endswith("GB are free below /var/lib/plexctl, and 999999 are needed")
