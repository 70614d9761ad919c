"""Fixtures for tests with machines; another folder's conftest imports them by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.containers.rig import missing
from tests.machines.machine import Machines, machines_in_own_store

__all__ = ["machines"]


@pytest.fixture(scope="session")
def machines() -> Iterator[Machines]:
    """Give a place to start machines in; the first session on a computer makes their images."""
    why = missing()
    if why is not None:
        pytest.skip(why)
    with machines_in_own_store() as one:
        yield one
