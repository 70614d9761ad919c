"""The command line of OpenSSH's client: the words, and the real client that obeys them."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ssh.rig import Sshd, sshd

from plexctl.secret import Secret
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.keys import new_key_pair
from plexctl_providers._common.ssh.known_hosts import text_for
from plexctl_providers._common.ssh.login import Login, argv
from plexctl_providers._common.ssh.trust import Trust

PIN = Trust(pinned=("ssh-ed25519 AAAA",))
GPU = Destination("gpu.example.org", 2222, "me")


def test_it_believes_one_file_and_reads_no_configuration() -> None:
    """Nothing of the user's configuration can turn the check of the host's key off, or lead to another host."""
    line = argv(Login(GPU, PIN), known_hosts=Path("/home/me/pins"), identity=Path("/home/me/my key"))
    assert line == (
        *("ssh", "-F", "none"),
        *("-o", "StrictHostKeyChecking=yes"),
        *("-o", 'UserKnownHostsFile="/home/me/pins"'),
        *("-o", "GlobalKnownHostsFile=none"),
        *("-o", "UpdateHostKeys=no"),
        *("-o", "PreferredAuthentications=publickey"),
        *("-o", "ConnectTimeout=15"),
        *("-o", "ServerAliveInterval=15"),
        *("-o", "IdentitiesOnly=yes"),
        *("-o", 'IdentityFile="/home/me/my key"'),
        *("-p", "2222", "-l", "me", "--", "gpu.example.org"),
    )


def test_without_a_key_the_agent_and_default_keys_are_used() -> None:
    """Neither IdentitiesOnly nor a file stands there, and no user where none is named."""
    line = argv(Login(Destination("2001:db8::7"), PIN), known_hosts=Path("pins"), identity=None)
    assert "IdentitiesOnly=yes" not in line
    assert "-l" not in line
    assert line[-4:] == ("-p", "22", "--", "2001:db8::7")


def test_a_jump_host_is_held_to_the_same() -> None:
    """The client that reaches the jump host is given the checks as well: ProxyJump would leave them out."""
    jump = Login(Destination("jump.example.org", 22, "me"), Trust(known_hosts=Path("/k 100%")), identity=Path("/key"))
    line = argv(Login(GPU, PIN, jump=jump), known_hosts=Path("/pins"), identity=None)
    (proxy,) = [part for part in line if part.startswith("ProxyCommand=")]
    assert proxy == (
        'ProxyCommand=ssh -F none -o StrictHostKeyChecking=yes -o \'UserKnownHostsFile="/pins" "/k 100%%%%"\''
        " -o GlobalKnownHostsFile=none -o UpdateHostKeys=no -o PreferredAuthentications=publickey"
        " -o ConnectTimeout=15 -o ServerAliveInterval=15 -o IdentitiesOnly=yes -o 'IdentityFile=\"/key\"'"
        " -p 22 -l me -W '[%h]:%p' -- jump.example.org"
    )


def test_no_secret_is_on_it() -> None:
    """A key that is a text, and a passphrase, are nowhere in the command line."""
    login = Login(GPU, PIN, Secret("canary"), passphrase=Secret("canary"), jump=Login(GPU, PIN, Secret("canary")))
    assert "canary" not in " ".join(argv(login, known_hosts=Path("pins"), identity=None))


def real_client(one: Sshd, known_hosts: str, folder: Path, login: Login | None = None) -> tuple[int, str]:
    """Return the exit code of OpenSSH's client that runs `exit 7` there, and its words."""
    pins = folder / "known hosts 50%"
    pins.write_text(known_hosts, encoding="utf-8")
    line = argv(login or one.login, known_hosts=pins, identity=one.key_file("key 50%"))
    done = subprocess.run([*line, "exit 7"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


@pytest.mark.real
def test_the_real_client_gets_in_with_the_pin_and_not_with_another(server: Sshd, tmp_path: Path) -> None:
    """OpenSSH's client runs the command when the pin is the host's, and refuses another pin and no pin."""
    other = new_key_pair("other").public
    assert real_client(server, text_for(server.destination, [server.host.public]), tmp_path)[0] == 7
    for text in (text_for(server.destination, [other]), ""):
        code, words = real_client(server, text, tmp_path)
        assert code == 255
        assert "Host key verification failed" in words


@pytest.mark.real
def test_the_real_client_goes_by_way_of_jump_hosts_and_checks_each(server: Sshd, tmp_path: Path) -> None:
    """Two jumps in a row work with every key pinned; with another key of the outermost one, nothing does."""
    key = server.key_file("jump key 50%")
    with sshd(tmp_path / "one") as one, sshd(tmp_path / "two") as two:
        for each in (one, two):
            (each.folder / "authorized_keys").write_text(f"{server.mine.public}\n", encoding="utf-8")
        first = replace(one.login, identity=key)
        second = replace(two.login, identity=key, jump=first)
        login = replace(server.login, jump=second)
        inner = text_for(server.destination, [server.host.public]) + text_for(two.destination, [two.host.public])
        assert real_client(server, inner + text_for(one.destination, [one.host.public]), tmp_path, login)[0] == 7
        assert "Accepted publickey" in one.log()
        code, words = real_client(server, inner + text_for(one.destination, [two.host.public]), tmp_path, login)
        assert (code, "Host key verification failed" in words) == (255, True)
