"""One sshd for the tests of a file that leave it as it is."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.machines.fixtures import machines
from tests.ssh.rig import Sshd, sshd

from plexctl_providers._common.ssh.connection import Connection, connect

__all__ = ["machines"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    """Give an sshd as a distribution has it."""
    with sshd(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture
def connection(server: Sshd) -> Iterator[Connection]:
    """Give a connection to it."""
    with connect(server.login) as one:
        yield one
