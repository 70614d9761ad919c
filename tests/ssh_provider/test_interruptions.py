from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from tests.contract.steps import Watched
from tests.machines.client import Person
from tests.machines.machine import Machine, Machines
from tests.ssh_provider.rig import Owner, ready_through

from plexctl.contract import DeploymentJournal
from plexctl.journal import Entry, Journal
from plexctl.model import Need
from plexctl.spec import Host
from plexctl.states import State
from plexctl_providers._common.ssh.errors import ConnectionLostError

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

OF_A_BOOT = ("/var/lib/containerd/", "/var/lib/docker/", "/var/lib/systemd/", "/var/tmp/systemd-private-")  # noqa: S108
POINTS = ("intend host-files", "bringing", "created host-files", "intend host-secrets", "starting the bootstrap")
"""Before anything is there; files, secrets and the start under way, each behind the one before."""


def apply_and_cut(owner: Owner, entry: Entry, machine: Machine, point: str) -> None:
    """Apply, and break every connection at that point."""

    def cut_at(words: str) -> None:
        if words.startswith(point):
            assert machine.cut() >= 1

    class Telling(list[str]):
        def append(self, words: str) -> None:
            cut_at(words)

    owner.said = Telling()
    provider = owner.provider()
    provider.preflight(entry.record.spec)
    plan = provider.plan(entry.record.spec, provider.offers(Need())[0])
    journal: DeploymentJournal = Watched(entry, lambda event, thing: cut_at(f"{event} {thing[0]}"))
    provider.apply(plan, journal)


def test_lost_at_five_points_it_goes_on(owner: Owner, machine: Machine, journal: Journal) -> None:
    """Each loss is a ConnectionLostError, and the next apply goes on; in the end it is as ready as any."""
    entry = owner.begin(journal)
    for point in POINTS:
        with pytest.raises(ConnectionLostError):
            apply_and_cut(owner, entry, machine, point)
    owner.said = []
    assert owner.apply(entry).endpoint is not None
    machine.cut()
    ready_through(owner, entry.ref)
    assert machine.run("ls", "/var/lib/plexctl/incoming").returncode != 0, "nothing lies about"


def test_a_destroy_needs_nothing_to_be_whole(owner: Owner, machine: Machine, journal: Journal) -> None:
    """Its files half gone, its connection cut, or its bootstrap under way: in the end nothing is left of it."""
    before = {path: row for path, row in machine.state().items() if not path.startswith("/opt/plexctl")}
    entry = owner.deploy(journal)
    assert owner.provider().destroy(entry.ref).removed, "while the bootstrap is under way"
    assert machine.state() == before

    entry = owner.begin(journal, owner.spec("again"))
    with pytest.raises(ConnectionLostError):
        apply_and_cut(owner, entry, machine, "created host-files")
    assert owner.provider().status(entry.ref).state is State.FAILED
    assert [ref.label for ref in owner.provider().find(None)] == [entry.ref.label]
    assert owner.provider().destroy(entry.ref).removed
    assert machine.state() == before

    owner.said = []
    owner.apply(entry)
    machine("rm", "-r", "/var/lib/plexctl/bundle", "/var/lib/plexctl/stages", "/etc/plexctl")
    assert owner.provider().destroy(entry.ref).removed
    assert machine.state() == before
    assert "plexctl" not in "\n".join(machine.processes())


def interrupted(owner: Owner, machine: Machine, journal: Journal, interrupt: Callable[[], None]) -> Entry:
    """Deploy without Docker, and interrupt the bootstrap in its longest stage."""
    entry = owner.deploy(journal, msgspec.structs.replace(owner.spec(), host=Host(runtime="python")))
    log = "until grep -q 'gateway-environment started' /var/lib/plexctl/bootstrap.log; do sleep 0.02; done"
    machine("bash", "-c", log)
    assert owner.provider().status(entry.ref).state is State.CREATING
    assert "stage 5/9 gateway-environment" in owner.provider().status(entry.ref).detail
    interrupt()
    return entry


@pytest.mark.slow
def test_a_reboot_without_systemd_is_told_and_mended(machines: Machines, person: Person, tmp_path: Path) -> None:
    """The status says that the bootstrap was cut off; the next apply goes on with it."""
    with machines.machine("bare", authorized_keys=[person.public_key]) as one:
        person.learns(one)
        owner = Owner(tmp_path, (one,))
        with owner.journal() as journal:
            entry = interrupted(owner, one, journal, one.reboot)
            status = owner.provider().status(entry.ref)
            assert status.state is State.FAILED
            assert "cut off (stage 5/9 gateway-environment started)" in status.detail
            assert owner.apply(entry).changed
            ready_through(owner, entry.ref)


def settled(machine: Machine) -> dict[str, list[str]]:
    """Return the state of a machine without what systemd and Docker write at each boot."""
    return {path: row for path, row in machine.state().items() if not path.startswith(OF_A_BOOT)}


@pytest.mark.slow
def test_a_reboot_with_systemd_is_survived(machines: Machines, person: Person, tmp_path: Path) -> None:
    """The bootstrap goes on by itself; then logs are the journal's, the unit stops and starts, and all goes again."""
    with machines.machine("systemd", authorized_keys=[person.public_key]) as one:
        person.learns(one)
        owner = Owner(tmp_path, (one,))
        before = settled(one)
        with owner.journal() as journal:
            entry = interrupted(owner, one, journal, one.reboot)
            ready_through(owner, entry.ref)
            assert not owner.apply(entry).changed
            assert one.run("systemctl", "is-enabled", "plexctl-bootstrap").stdout.strip() == "disabled"
            lines = [line.text for line in owner.provider().logs(entry.ref, follow=False, since=None, tail=None)]
            assert any("is ready" in line for line in lines)
            owner.provider().stop(entry.ref)
            assert owner.provider().status(entry.ref).state is State.STOPPED
            one.reboot()
            assert owner.provider().status(entry.ref).state is State.STOPPED
            owner.apply(entry)
            ready_through(owner, entry.ref)
            owner.provider().destroy(entry.ref)
            assert settled(one) == before
