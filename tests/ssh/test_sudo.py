"""Root on a host: what is run, what goes to its standard input, and what real sudo does with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.machines.machine import Machine, Machines

from plexctl.errors import PreflightError
from plexctl.secret import Secret
from plexctl_providers._common.ssh.connection import Connection, connect
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.keys import new_key_pair
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.sudo import Sudo, sudo_for
from plexctl_providers._common.ssh.trust import Trust

PASSWORD = Secret("canary of sudo")


def test_what_is_run_and_read() -> None:
    """Root runs the command as it is; sudo runs it without asking; a password goes in by standard input alone."""
    command = ["systemctl", "stop", "plexctl"]
    assert Sudo(is_root=True).argv(command) == command
    assert Sudo(is_root=True).stdin(b"x") == b"x"
    assert Sudo().argv(command) == ["sudo", "-n", "--", *command]
    assert Sudo().stdin(Secret("x")) == Secret("x")
    asked = Sudo(PASSWORD)
    assert asked.argv(command)[:8] == ["sudo", "-k", "-S", "-p", "", "--", "sh", "-c"]
    assert asked.argv(command)[-3:] == command
    assert asked.stdin(b"x") == asked.stdin(Secret("x")) == Secret("canary of sudo\nplexctl\nx")
    assert "canary" not in f"{asked!r}{asked.argv(command)}"


@contextmanager
def logged_in(machines: Machines, *first: str, **wanted: str) -> Iterator[tuple[Machine, Connection]]:
    """Give a machine on which a first command of root's ran, and a connection of its user."""
    key = new_key_pair("test")
    with machines.machine("bare", authorized_keys=[key.public], **wanted) as machine:  # type: ignore[arg-type]
        machine(*(first or ("true",)))
        where = Destination(machine.address, machine.port, machine.user)
        with connect(Login(where, Trust(pinned=(machine.host_key,)), key.private)) as connection:
            yield machine, connection


@pytest.mark.real
@pytest.mark.timeout(900)
def test_sudo_without_a_password(machines: Machines) -> None:
    """No password is asked for, one that is there is not sent; standard input, output and exit code pass through."""
    with logged_in(machines) as (_, connection):
        assert sudo_for(connection, None) == sudo_for(connection, PASSWORD) == Sudo()
        done = connection.run(Sudo().argv(["sh", "-c", "id -u; cat; exit 3"]), stdin=Sudo().stdin(b"in"))
        assert (done.code, done.out) == (3, "0\nin")


@pytest.mark.real
@pytest.mark.timeout(900)
def test_root_needs_no_sudo(machines: Machines) -> None:
    """Where the login is root's, sudo is not looked for."""
    with logged_in(machines, user="root") as (machine, connection):
        machine("rm", "/usr/bin/sudo")
        assert sudo_for(connection, None) == Sudo(is_root=True)


@pytest.mark.real
@pytest.mark.timeout(900)
def test_sudo_with_a_password(machines: Machines) -> None:
    """It is asked for, a wrong one is refused, and the right one is read by sudo and by nobody else."""
    with logged_in(machines, sudo="password") as (machine, connection):
        with pytest.raises(PreflightError, match="asks for a password") as caught:
            sudo_for(connection, None)
        assert "PLEXCTL_SUDO_PASSWORD" in (caught.value.hint or "")
        with pytest.raises(PreflightError, match="refuses the password: ") as caught:
            sudo_for(connection, PASSWORD)
        assert "canary" not in f"{caught.value!r}{caught.value.hint}"
        right = Secret(machine.password)
        sudo = sudo_for(connection, right)
        assert sudo == Sudo(right)
        processes: list[str] = []
        script = "id -u; cat; echo now >&2; sleep 0.2; exit 3"
        done = connection.run(
            sudo.argv(["sh", "-c", script]),
            stdin=sudo.stdin(b"in\xff\n"),
            on_line=lambda line: processes.extend(machine.processes()) if line == "now" else None,
        )
        assert (done.code, done.out) == (3, "0\nin\ufffd\n")
        assert any("id -u; cat" in line for line in processes)
        assert not any(machine.password in line for line in processes)
        where = "/root/copy"
        connection.run(sudo.argv(["tee", where]), stdin=sudo.stdin(b"\0\xff\n"))
        assert machine("od", "-An", "-tx1", where).split() == ["00", "ff", "0a"]


@pytest.mark.real
@pytest.mark.timeout(900)
def test_a_password_that_sudo_does_not_read_gets_into_no_file(machines: Machines) -> None:
    """Where a rule lets one command pass, sudo leaves the password unread; the command must not read it instead."""
    with logged_in(machines, sudo="password") as (machine, connection):
        sudo = sudo_for(connection, Secret(machine.password))
        rule = f"{machine.user} ALL=(ALL) NOPASSWD: /usr/bin/sh, /bin/sh\n"
        machine("sh", "-c", "cat >/etc/sudoers.d/zz-free && chmod 440 /etc/sudoers.d/zz-free", stdin=rule)
        assert connection.run(["sudo", "-k", "-n", "true"]).code == 1
        assert connection.run(["sudo", "-k", "-n", "sh", "-c", "true"]).code == 0
        connection.run(sudo.argv(["tee", "/root/file"]), stdin=sudo.stdin(b"content"))
        assert machine("cat", "/root/file") == "content"


@pytest.mark.real
@pytest.mark.timeout(900)
def test_who_may_not_and_who_has_no_sudo_is_said(machines: Machines) -> None:
    """A user without the right and a host without sudo each have their own words."""
    with logged_in(machines, sudo="none") as (machine, connection):
        with pytest.raises(PreflightError, match="asks for a password"):
            sudo_for(connection, None)
        with pytest.raises(PreflightError, match="refuses the password"):
            sudo_for(connection, Secret(machine.password))
        machine("rm", "/usr/bin/sudo")
        with pytest.raises(PreflightError, match="has no sudo, and the user is not root"):
            sudo_for(connection, PASSWORD)


@pytest.mark.real
@pytest.mark.timeout(900)
def test_a_user_without_a_shell_is_said(machines: Machines) -> None:
    """What the host says instead of running a command is passed on."""
    with (
        logged_in(machines, "usermod", "--shell", "/usr/sbin/nologin", "ubuntu") as (_, connection),
        pytest.raises(PreflightError, match="runs no commands: This account is currently not available"),
    ):
        sudo_for(connection, PASSWORD)


@pytest.mark.real
@pytest.mark.timeout(900)
def test_what_a_user_s_shell_says_of_itself_changes_nothing(machines: Machines) -> None:
    """A greeting in .bashrc, which even commands get to see, does not hide who the user is."""
    with logged_in(machines) as (machine, connection):
        machine("sh", "-c", f"echo 'echo 0 hello' | cat - >/home/{machine.user}/.bashrc")
        assert "hello" in connection.run(["true"]).out
        assert sudo_for(connection, None) == Sudo()
