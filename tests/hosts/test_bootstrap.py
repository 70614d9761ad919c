from __future__ import annotations

import json
import time

import pytest
from tests.hosts.machine import Machine

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

_ENGINE_S = 60.0
OURS = ("/opt/plexctl", "/etc/plexctl", "/var/lib/plexctl")
STAGES = [
    *("system", "runtime", "packages", "account", "gateway-environment", "engine-environment", "service", "tls"),
    "ready",
]
POINTS = (
    ("system", "/"),
    ("packages", "/"),
    ("account", "/var/lib/plexctl/created/user"),
    ("gateway-environment", "/opt/plexctl/versions/gateway-*/lib/python3*/site-packages/yarl"),
    ("service", "/var/lib/plexctl/gateway.pid"),
    ("ready", "/"),
)
"""Stage, and what must be there when the kill comes: before, in the middle of, and after what the stage makes."""


def lines_of(machine: Machine, *argv: str) -> list[str]:
    """Run the script, which succeeds, and return what it said."""
    done = machine.bootstrap(*argv)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def contents(machine: Machine) -> dict[str, list[str]]:
    """Return what plexctl put there, times and logs left out; compiled files, which hold times, by name only."""
    found = machine.listing(*OURS)
    kept = {path: row[:3] for path, row in found.items() if not path.endswith((".log", ".pid", "/lock"))}
    return {path: row[:2] if path.endswith(".pyc") else row for path, row in kept.items()}


def verdict(machine: Machine, *argv: str) -> str:
    """Return what the real CLI's probe says of the gateway, once its engine is ready: the bootstrap waits for less."""
    deadline = time.monotonic() + _ENGINE_S
    while True:
        done = machine.plexctl("probe", *argv, "--seconds", "2s", "--json")
        found: str = json.loads(done.stdout)["data"]["verdict"]
        if found != "loading" or time.monotonic() > deadline:
            assert done.returncode == 0, done.stdout + done.stderr
            return found


def test_to_talking_again_without_a_change_and_away(machine: Machine) -> None:
    """A fresh host talks; a second run leaves files, times and processes alone; removed, it is as it was before."""
    before = machine.state()
    said = lines_of(machine)
    assert [line.split()[3] for line in said if line.endswith((" done", " skipped"))] == STAGES
    assert said[-1] == "plexctl: ready on 127.0.0.1:8998"
    assert verdict(machine, "http://127.0.0.1:8998") == "talking"

    first = machine.listing(*OURS)
    again = lines_of(machine)
    started = {line.split()[3] for line in again if line.endswith(" started")}
    assert started == {"system", "ready"}, "these two only look"
    of_the_run = {"/var/lib/plexctl/bootstrap.log", "/var/lib/plexctl/lock"}
    second = machine.listing(*OURS)
    assert {path: row for path, row in second.items() if path not in of_the_run} == {
        path: row for path, row in first.items() if path not in of_the_run
    }, "the same process still runs: its id is in a file of the list"

    listed = lines_of(machine, "--list")
    assert listed == [f"plexctl: has {path}" for path in ("/etc/plexctl", "/opt/plexctl", "/var/lib/plexctl")] + [
        "plexctl: has user plexctl"
    ]
    assert lines_of(machine, "--uninstall") == [*listed, "plexctl: removed"]
    after = machine.state()
    secrets = {path for path in before if path.startswith("/etc/plexctl")}
    assert after == {path: row for path, row in before.items() if path not in secrets}
    assert "plexctl.gateway" not in machine("sh", "-c", "cat /proc/[0-9]*/cmdline")


@pytest.mark.slow
def test_killed_at_six_points_it_reaches_the_same_end(podman_twice: tuple[Machine, Machine]) -> None:
    """SIGKILL of the whole group before, in and after stages; the last run ends as one that nobody disturbed."""
    machine, undisturbed = podman_twice
    for stage, path in POINTS:
        lines = machine.kill_at(stage, path)
        assert lines[-2].endswith(f" {stage} started"), lines
        assert lines[-1] == "ended with -9", lines
    lines_of(machine)
    assert verdict(machine, "http://127.0.0.1:8998") == "talking"
    lines_of(undisturbed)
    assert contents(machine) == contents(undisturbed)


@pytest.mark.slow
def test_changed_settings_restart_what_runs(machine: Machine) -> None:
    """Another access token makes another process; everything else is left as it is."""
    lines_of(machine)
    pid = machine("cat", "/var/lib/plexctl/gateway.pid")
    machine("sed", "-i", "s/token-of-a-test/another-token/", "/etc/plexctl/secrets.env")
    again = lines_of(machine)
    assert {line.split()[3] for line in again if line.endswith(" started")} == {"system", "service", "ready"}
    assert machine("cat", "/var/lib/plexctl/gateway.pid") != pid
    assert machine.plexctl("probe", "http://127.0.0.1:8998", "--level", "upgrade").returncode != 0
    assert verdict(machine, "http://127.0.0.1:8998", "--token", "another-token") == "talking"


@pytest.mark.slow
def test_a_bare_address_is_served_with_a_pinned_certificate(public_machine: Machine) -> None:
    """Debian's Caddy knows no certificates for addresses: its own one is pinned; what apt brought goes again."""
    machine = public_machine
    packages = machine("dpkg-query", "--show")
    said = lines_of(machine)
    pin = next(line.split()[-1] for line in said if line.startswith("plexctl: certificate "))
    assert verdict(machine, "https://127.0.0.1", "--fingerprint", pin) == "talking"
    assert any("has packages caddy " in line for line in lines_of(machine, "--list"))
    lines_of(machine, "--uninstall")
    assert machine("dpkg-query", "--show") == packages
