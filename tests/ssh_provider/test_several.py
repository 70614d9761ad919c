from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machines.client import Person
from tests.machines.machine import Machine, Machines
from tests.ssh_provider.rig import Owner, ready_through

from plexctl.contract import Context
from plexctl.errors import ConflictError, NoCredentialsError
from plexctl.journal import open_journal
from plexctl.model import Level, Need, Offer
from plexctl.states import State
from plexctl_providers._common.ssh.errors import UnreachableError
from plexctl_providers.ssh.adapter import SshProvider

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def two(machines: Machines, person: Person) -> Iterator[tuple[Machine, Machine]]:
    """Give two machines of one person."""
    keys = [person.public_key]
    with machines.machine(authorized_keys=keys) as one, machines.machine(authorized_keys=keys, port=0) as other:
        person.learns(one)
        person.learns(other)
        yield one, other


def test_each_host_is_an_offer_and_one_that_is_off_is_passed_over(two: tuple[Machine, Machine], tmp_path: Path) -> None:
    """Both are offered; with the first one off, a finding says so, the second is what there is."""
    one, other = two
    owner = Owner(tmp_path, two)
    provider = owner.provider()
    assert {found.level for found in provider.preflight(owner.spec())} == {Level.OK}
    assert [offer.detail["host"] for offer in provider.offers(Need())] == [one.destination, other.destination]
    one.power_off()
    provider = owner.provider()
    levels = {found.message.partition(" ")[0].rstrip(":"): found.level for found in provider.preflight(owner.spec())}
    assert levels[one.destination] is Level.WARN
    assert [offer.detail["host"] for offer in provider.offers(Need())] == [other.destination]
    with pytest.raises(UnreachableError):
        owner.provider().find(None)
    other.power_off()
    with pytest.raises(UnreachableError):
        owner.provider().preflight(owner.spec())


def test_a_host_that_carries_another_deployment_is_left_alone(two: tuple[Machine, Machine], tmp_path: Path) -> None:
    """A second name goes to the free host; with none free it is a conflict, and nothing of the others is touched."""
    owner = Owner(tmp_path, two)
    with owner.journal() as journal:
        first, second = owner.deploy(journal), owner.deploy(journal, owner.spec("other"))
        places = [entry.ref.resources[0].detail["destination"] for entry in (first, second)]
        assert places == [machine.destination for machine in two]
        for entry in (first, second):
            ready_through(owner, entry.ref)
        facts = [machine("find", "/var/lib/plexctl", "/etc/plexctl", "-printf", "%p %T@\n") for machine in two]
        with pytest.raises(ConflictError, match="every host carries another deployment"):
            owner.provider().preflight(owner.spec("third"))
        offer = Offer("ssh", None, 0, None, 0.0, "a test", None, {"host": two[0].destination})
        third = journal.begin(first.ref.__class__("ssh", "third", "abc234"), owner.spec("third"), offer)
        with pytest.raises(ConflictError, match=first.ref.label):
            owner.provider().apply(owner.provider().plan(owner.spec("third"), offer), third)
        assert third.ref.resources == ()
        assert owner.provider().destroy(third.ref).removed == ()
        assert [machine("find", "/var/lib/plexctl", "/etc/plexctl", "-printf", "%p %T@\n") for machine in two] == facts


def test_without_any_record_the_named_hosts_are_asked(two: tuple[Machine, Machine], tmp_path: Path) -> None:
    """Another computer with the person's key finds it by PLEXCTL_SSH_HOST, and its record is enough to end it."""
    owner = Owner(tmp_path, two)
    with owner.journal() as journal:
        made = owner.deploy(journal).ref
    owner.variables["PLEXCTL_HOME"] = "elsewhere"
    (found,) = owner.provider().find("voice")
    assert (found.label, found.resources) == (made.label, made.resources)
    assert owner.provider().find("other") == []
    with open_journal(tmp_path / "elsewhere", time.time) as other:
        offer = Offer("ssh", None, 0, None, 0.0, "a test", None)
        other.adopt(found, owner.spec(), offer, None)
        nothing = SshProvider(Context(tmp_path / "elsewhere", {"HOME": str(tmp_path)}, {}, time.time))
        assert nothing.status(found).state in {State.CREATING, State.LOADING}, "its record says where it is"
        with pytest.raises(NoCredentialsError):
            nothing.find(None)
        assert nothing.destroy(found).removed
    assert owner.provider().find(None) == []
