"""Everything here needs root, podman and OpenSSH; without podman it is skipped by name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machines.client import Person
from tests.machines.fixtures import machines
from tests.machines.machine import Machine, Machines
from tests.ssh_provider.rig import Owner, person_in

from plexctl.journal import Journal

__all__ = ["machines"]


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Return a person with a home folder, who knows no machine yet."""
    return person_in(tmp_path)


@pytest.fixture
def machine(machines: Machines, person: Person) -> Iterator[Machine]:
    """Give a machine of the person's, which has the packages that a deployment needs."""
    with machines.machine(authorized_keys=[person.public_key]) as one:
        person.learns(one)
        yield one


@pytest.fixture
def owner(tmp_path: Path, machine: Machine) -> Owner:
    """Return the owner of that machine."""
    return Owner(tmp_path, (machine,))


@pytest.fixture
def journal(owner: Owner) -> Iterator[Journal]:
    """Open the owner's journal."""
    with owner.journal() as one:
        yield one
