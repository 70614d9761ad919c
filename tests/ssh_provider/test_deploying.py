from __future__ import annotations

import subprocess
import threading
import time

import pytest
from tests.machines.client import Person
from tests.machines.gpu import Gpu
from tests.machines.machine import Machine, Machines
from tests.ssh_provider.rig import TOKEN, Owner, is_ready, ready_through

from plexctl.journal import Journal
from plexctl.model import GpuUse, LogLine
from plexctl.states import State

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def test_from_nothing_to_ready_and_away(owner: Owner, machine: Machine, journal: Journal) -> None:
    """A deploy is ready through a tunnel alone; stopped, started and destroyed, the host is as it was before."""
    before = machine.state()
    entry = owner.deploy(journal)
    status = owner.until(entry.ref, State.LOADING)
    assert status.endpoint is not None
    assert (status.endpoint.tls, status.endpoint) == ("ssh", entry.record.endpoint)
    ready_through(owner, entry.ref)
    assert TOKEN not in "\n".join(machine.processes())
    assert machine("stat", "--format=%a %U", "/etc/plexctl/secrets.env") == "600 root"

    owner.provider().stop(entry.ref)
    assert owner.provider().status(entry.ref).state is State.STOPPED
    assert not any("plexctl" in line for line in machine.processes() if "sshd" not in line)
    assert owner.apply(entry).changed
    owner.until(entry.ref, State.LOADING)

    held = owner.provider().holdings(entry.ref)
    assert held == ["/etc/plexctl", "/opt/plexctl", "/var/lib/plexctl", "user plexctl"]
    removal = owner.provider().destroy(entry.ref)
    assert {one.kind for one in removal.removed} == {"host-files", "host-secrets"}
    assert owner.provider().status(entry.ref).state is State.MISSING
    versions = {path for path in before if path.startswith("/opt/plexctl")}
    assert machine.state() == {path: row for path, row in before.items() if path not in versions}
    assert not list((owner.home / "ssh").iterdir() if (owner.home / "ssh").exists() else ())


def test_openssh_comes_in_by_what_shell_says(owner: Owner, machine: Machine, journal: Journal) -> None:
    """The command line is OpenSSH's own, and it believes the key that was shown; after a change it refuses."""
    entry = owner.deploy(journal)
    argv = [*owner.provider().shell(entry.ref), "id", "-un"]

    def by_openssh() -> subprocess.CompletedProcess[str]:
        return subprocess.run(argv, capture_output=True, text=True, timeout=30, env={}, check=False)

    done = by_openssh()
    assert (done.returncode, done.stdout) == (0, f"{machine.user}\n"), done.stderr
    (owner.folder / ".ssh" / "known_hosts").unlink()
    assert by_openssh().returncode == 0, "its own file is enough"
    machine("sh", "-c", "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key")
    assert by_openssh().returncode == 255


def test_status_shows_what_the_gpus_do(machines: Machines, person: Person) -> None:
    """Use and temperature come from nvidia-smi; the offer is the host, free, with the GPU that it has."""
    with machines.machine(authorized_keys=[person.public_key], gpu=Gpu(count=2)) as one:
        person.learns(one)
        owner = Owner(person.folder.parent, (one,))
        with owner.journal() as journal:
            entry = owner.deploy(journal)
            offer = entry.record.offer
            assert (offer.gpu, offer.count, offer.price_usd_per_hour) == ("NVIDIA L40S", 2, 0.0)
            assert offer.region == offer.detail["host"] == one.destination
            assert owner.provider().status(entry.ref).gpus == (GpuUse("NVIDIA L40S", 17045, 46068, 37, 54),) * 2


def test_a_log_that_is_followed_outlives_its_connection(owner: Owner, machine: Machine, journal: Journal) -> None:
    """Cut in the middle, it goes on where it was: no line is lost or doubled; it ends with the deployment."""
    ref = owner.deploy(journal).ref
    ready_through(owner, ref)
    heard: list[LogLine] = []

    def follow() -> None:
        for line in owner.provider().logs(ref, follow=True, since=None, tail=None):
            heard.append(line)  # noqa: PERF402 - each is looked at as it comes

    follower = threading.Thread(target=follow)
    follower.start()
    deadline = time.monotonic() + 30
    while not heard:
        assert time.monotonic() < deadline
    assert machine.cut() >= 1
    owner.provider().stop(ref)
    follower.join(60)
    assert not follower.is_alive()
    whole = list(owner.provider().logs(ref, follow=False, since=None, tail=None))
    assert heard == whole
    assert whole[-1].text == "gateway stopped"


_WAITING = r"""
mv /usr/sbin/useradd /usr/sbin/useradd.real
printf '#!/bin/sh\nuntil [ -e /tmp/go ]; do sleep 0.02; done\nexec useradd.real "$@"\n' >/usr/sbin/useradd
chmod +x /usr/sbin/useradd
"""
"""Lets the bootstrap wait in its fourth stage."""


def test_a_log_goes_from_the_bootstraps_to_the_gateways(owner: Owner, machine: Machine, journal: Journal) -> None:
    """Followed from the start: first how far the bootstrap is, then the gateway, each line once, to the end."""
    machine("bash", "-c", _WAITING)
    ref = owner.deploy(journal).ref
    followed = owner.provider().logs(ref, follow=True, since=None, tail=None)
    heard = [next(followed).text]
    assert heard == ["plexctl: started"]
    machine("touch", "/tmp/go")  # noqa: S108 - the machine's own
    machine("bash", "-c", "until grep -q 'ended with' /var/lib/plexctl/bootstrap.log; do sleep 0.02; done")
    ready_through(owner, ref)
    while "is ready" not in heard[-1]:
        heard.append(next(followed).text)
    assert machine.cut() >= 1
    ending = threading.Thread(target=owner.provider().stop, args=(ref,))
    ending.start()
    heard += [line.text for line in followed]
    ending.join()
    assert "plexctl: stage 1/9 system done" in heard
    assert heard[-1] == "gateway stopped"
    assert heard[heard.index("plexctl: ended with 0") + 1 :] == [
        line.text for line in owner.provider().logs(ref, follow=False, since=None, tail=None)
    ]


def test_the_last_lines_of_a_log_and_those_that_follow(owner: Owner, machine: Machine, journal: Journal) -> None:
    """Of what is there no more than asked for, also none, with a time or without; then whatever comes."""
    began = time.time() - 60
    ref = owner.deploy(journal).ref
    ready_through(owner, ref)
    whole = [line.text for line in owner.provider().logs(ref, follow=False, since=None, tail=None)]
    asked = [(tail, since) for tail in (0, 2) for since in (None, began)]
    heard: dict[int, list[str]] = {number: [] for number in range(len(asked))}

    def follow(number: int) -> None:
        tail, since = asked[number]
        for line in owner.provider().logs(ref, follow=True, since=since, tail=tail):
            heard[number].append(line.text)

    followers = [threading.Thread(target=follow, args=(number,)) for number in heard]
    for one in followers:
        one.start()
    following = f"[ $(pgrep --count --full '^tail .* -f /var/lib/plexctl/gateway.log') = {len(asked)} ]"
    machine.until(following)
    owner.provider().stop(ref)
    for one in followers:
        one.join(60)
    after = [line.text for line in owner.provider().logs(ref, follow=False, since=None, tail=None)][len(whole) :]
    assert after[-1] == "gateway stopped"
    assert list(heard.values()) == [after, after, whole[-2:] + after, whole[-2:] + after]


def test_a_tunnel_outlives_its_connection(owner: Owner, machine: Machine, journal: Journal) -> None:
    """After the connection broke, the next caller gets through on the same port."""
    entry = owner.deploy(journal)
    ready_through(owner, entry.ref)
    with owner.provider().tunnel(entry.ref) as here:
        assert is_ready(here)
        assert machine.cut() >= 1
        deadline = time.monotonic() + 30
        while not is_ready(here):
            assert time.monotonic() < deadline
