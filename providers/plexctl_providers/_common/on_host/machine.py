"""A host to log in to, and one connection to it that is kept while several things are done there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from plexctl.rendering import render
from plexctl.secret import Secret
from plexctl_providers._common.ssh.connection import Connection, connect
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.running import Finished
from plexctl_providers._common.ssh.sudo import Sudo, sudo_for

CONNECT_S = 15.0
_SCRIPT_S = 60.0


@dataclass(frozen=True, slots=True)
class Machine:
    """How to log in, and the password of sudo there, where it asks for one."""

    login: Login
    password: Secret | None = None

    @property
    def address(self) -> str:
        """The host's name or address, as one reaches it."""
        return self.login.destination.host


@dataclass(frozen=True, slots=True)
class Open:
    """A machine that one is logged in to, with the means to act as root there."""

    machine: Machine
    connection: Connection
    sudo: Sudo

    @property
    def where(self) -> str:
        """The host in words: user@host[:port]."""
        return str(self.machine.login.destination)

    def script(self, name: str, *arguments: str, timeout_s: float = _SCRIPT_S) -> Finished:
        """Run one of plexctl's own scripts (`templates/host/on_host`) as root; it travels by standard input."""
        argv = self.sudo.argv(["bash", "-s", "--", *arguments])
        return self.connection.run(argv, stdin=self.sudo.stdin(script_text(name).encode()), timeout_s=timeout_s)


def script_text(name: str) -> str:
    """Return one of plexctl's own scripts."""
    return render(f"host/on_host/{name}.sh.j2", {})


@contextmanager
def connect_to(machine: Machine, *, timeout_s: float = CONNECT_S) -> Iterator[Open]:
    """Log in until the context ends.

    Raises the errors of `_common.ssh.errors`, PreflightError where sudo wants a password that nobody gave.
    """
    with connect(machine.login, timeout_s=timeout_s) as connection:
        yield Open(machine, connection, sudo_for(connection, machine.password))
