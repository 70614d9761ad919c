"""Everything here needs root, podman, debootstrap and OpenSSH; without podman it is skipped by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Unpack

import pytest
from tests.cli.process import Plexctl
from tests.machines.client import Person
from tests.machines.fixtures import machines
from tests.machines.images import Image
from tests.machines.machine import Machines
from tests.machines.preparing import Wanted
from tests.machines.rig import Ground

__all__ = ["machines"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; the first may have to make the images."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.timeout(900))


Begin = Callable[..., Ground]


@pytest.fixture
def person(plexctl: Plexctl) -> Person:
    """Return the user, with a key where OpenSSH looks for it."""
    return Person.new(plexctl.root / ".ssh")


@pytest.fixture
def ground(machines: Machines, plexctl: Plexctl, person: Person) -> Iterator[Begin]:
    """Give a function that makes a machine of the user's: image, and what else it is to be."""
    with ExitStack() as stack:

        def begin(image: Image = "warm", **wanted: Unpack[Wanted]) -> Ground:
            wanted = {"authorized_keys": [person.public_key], **wanted}
            machine = stack.enter_context(machines.machine(image, **wanted))
            person.learns(machine)
            return Ground(plexctl, person, machine)

        yield begin
