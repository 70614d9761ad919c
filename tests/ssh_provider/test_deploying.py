from __future__ import annotations

import time

import pytest
from tests.machines.machine import Machine
from tests.ssh_provider.rig import TOKEN, Owner, is_ready

from plexctl.journal import Journal
from plexctl.states import State

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def test_from_nothing_to_ready_and_away(owner: Owner, machine: Machine, journal: Journal) -> None:
    """A deploy is ready through a tunnel alone; stopped, started and destroyed, the host is as it was before."""
    before = machine.state()
    entry = owner.deploy(journal)
    status = owner.until(entry.ref, State.LOADING)
    assert status.endpoint is not None
    assert (status.endpoint.tls, status.endpoint) == ("ssh", entry.record.endpoint)
    with owner.provider().tunnel(entry.ref) as here:
        deadline = time.monotonic() + 30
        while not is_ready(here):
            assert time.monotonic() < deadline
    assert TOKEN not in "\n".join(machine.processes())

    owner.provider().stop(entry.ref)
    assert owner.provider().status(entry.ref).state is State.STOPPED
    assert not any("plexctl" in line for line in machine.processes() if "sshd" not in line)
    assert owner.apply(entry).changed
    owner.until(entry.ref, State.LOADING)

    removal = owner.provider().destroy(entry.ref)
    assert {one.kind for one in removal.removed} == {"host-files", "host-secrets"}
    assert owner.provider().status(entry.ref).state is State.MISSING
    after = machine.state()
    versions = {path for path in before if path.startswith("/opt/plexctl")}
    assert after == {path: row for path, row in before.items() if path not in versions}
