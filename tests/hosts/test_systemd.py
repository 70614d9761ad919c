from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.containers.rig import Podman
from tests.hosts.cases import Case
from tests.hosts.machine import Machine, machine_in
from tests.hosts.test_bootstrap import lines_of, verdict
from tests.hosts.test_environment_file import NASTY
from tests.machines.images import TOKEN, bare_image

from plexctl_providers._common.host_environment import environment_text

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

URL = "http://127.0.0.1:9000"
PROMPT = 'It\'s "quoted" $HOME\nand a second line'
WANTED = {"engine": "echo", "gateway": {"port": 9000, "text_prompt": PROMPT}}
UNIT = "plexctl-gateway.service"


def machine_with(podman: Podman, image: str, folder: Path, runtime: str) -> Iterator[Machine]:
    """Give a fresh host with systemd, and a bundle for a runtime."""
    wanted = {**WANTED, "image": {"base": bare_image()}, "host": {"runtime": runtime}}
    files = Case("systemd", "ssh", wanted).files()
    with machine_in(podman, image, files, folder / "bundle") as one:
        yield one


@pytest.fixture
def python_machine(podman: Podman, systemd_image: str, tmp_path: Path) -> Iterator[Machine]:
    """Give a fresh host with systemd for the runtime python."""
    yield from machine_with(podman, systemd_image, tmp_path, "python")


@pytest.fixture
def docker_machine(podman: Podman, systemd_image: str, tmp_path: Path) -> Iterator[Machine]:
    """Give a fresh host with systemd and Docker, on which the runtime is found out."""
    yield from machine_with(podman, systemd_image, tmp_path, "auto")


def shown(machine: Machine, *names: str) -> dict[str, str]:
    """Return what systemd says of the unit."""
    lines = machine("systemctl", "show", UNIT, *(f"--property={name}" for name in names)).splitlines()
    return dict(line.split("=", 1) for line in lines)


def test_by_systemd_it_comes_back_and_ends_when_it_should(python_machine: Machine) -> None:
    """Killed, or after a reboot, it talks again; at the end of its time it stays ended; removed, it is gone."""
    machine = python_machine
    lines_of(machine)
    assert verdict(machine, URL) == "talking"
    assert {line.split()[3] for line in lines_of(machine) if line.endswith(" started")} == {"system", "ready"}

    machine("systemctl", "kill", "--kill-who=main", "--signal=KILL", UNIT)
    machine.until(f"[ $(systemctl show {UNIT} --property=NRestarts --value) = 1 ]")
    machine.until(f"systemctl is-active --quiet {UNIT}")
    machine.restart()
    machine.until(f"systemctl is-active --quiet {UNIT}")
    assert lines_of(machine)[-1] == "plexctl: ready on 127.0.0.1:9000"
    assert verdict(machine, URL) == "talking"

    machine("sh", "-c", 'echo PLEXCTL_EXPIRES_AT="1" >>/etc/plexctl/plexctl.env')
    machine("systemctl", "restart", UNIT)
    machine.until(f"[ $(systemctl is-active {UNIT}) = inactive ]")
    assert shown(machine, "Result", "NRestarts") == {"Result": "success", "NRestarts": "0"}

    assert lines_of(machine, "--uninstall")[-1] == "plexctl: removed"
    assert shown(machine, "LoadState") == {"LoadState": "not-found"}


@pytest.mark.slow
def test_with_docker_it_is_built_run_and_removed(docker_machine: Machine) -> None:
    """Docker is found and used: on the loopback only, as the host's own user, values in no command line."""
    machine = docker_machine
    machine.podman("save", "--quiet", "--output", f"{machine.bundle}/base.tar", bare_image())
    machine("docker", "load", "--quiet", "--input", "/root/bundle/base.tar")
    lines_of(machine)
    assert verdict(machine, URL) == "talking"
    assert {line.split()[3] for line in lines_of(machine) if line.endswith(" started")} == {"system", "ready"}

    found = json.loads(machine("docker", "inspect", "plexctl-gateway"))[0]
    assert found["HostConfig"]["PortBindings"] == {"8998/tcp": [{"HostIp": "127.0.0.1", "HostPort": "9000"}]}
    assert found["Config"]["User"] == machine("sh", "-c", 'echo "$(id -u plexctl):$(id -g plexctl)"')
    assert f"PLEXCTL_TEXT_PROMPT={PROMPT}" in found["Config"]["Env"]
    assert TOKEN not in machine("sh", "-c", "cat /proc/[0-9]*/cmdline")

    machine("docker", "kill", "plexctl-gateway")
    machine.until(f"[ $(systemctl show {UNIT} --property=NRestarts --value) = 1 ]")
    machine.until(f"systemctl is-active --quiet {UNIT}")
    assert lines_of(machine)[-1] == "plexctl: ready on 127.0.0.1:9000"
    machine("systemctl", "stop", UNIT)
    assert shown(machine, "Result", "ActiveState") == {"Result": "success", "ActiveState": "inactive"}

    assert lines_of(machine, "--uninstall")[-1] == "plexctl: removed"
    assert machine("docker", "ps", "--all", "--quiet") == ""
    assert "localhost/plexctl:echo" not in machine("docker", "images", "--format", "{{.Repository}}:{{.Tag}}")


def test_systemd_reads_variables_as_a_shell_does(python_machine: Machine) -> None:
    """All pairs of what shells and systemd trip over come out of EnvironmentFile as they went in."""
    machine = python_machine
    pairs = [f"{one}{other}" for one, other in itertools.product(NASTY, repeat=2)]
    values = {f"V{number}": pair for number, pair in enumerate(pairs)}
    (machine.bundle / "variables.env").write_text(environment_text(values), encoding="utf-8")
    tell = "import json, os; print(json.dumps(dict(os.environ)))"
    options = ("--quiet", "--wait", "--pipe", "--property=EnvironmentFile=/root/bundle/variables.env")
    found = json.loads(machine("systemd-run", *options, "python3", "-X", "utf8", "-c", tell))
    assert {name: found.get(name) for name in values} == values
