from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.machines.client import Person
from tests.machines.gpu import Gpu
from tests.machines.machine import Machines

USER_DATA = """\
#cloud-config
ssh_deletekeys: true
ssh_keys:
  ed25519_private: "{private}"
  ed25519_public: "{public}"
ssh_authorized_keys:
  - "{key}"
ssh_pwauth: false
disable_root: true
write_files:
  - path: /etc/ssh/sshd_config.d/10-plexctl.conf
    owner: root:root
    permissions: "0644"
    content: |
      PasswordAuthentication no
runcmd:
  - [mkdir, -p, /var/lib/plexctl]
  - [touch, "/var/lib/plexctl/prepared"]
"""


@pytest.fixture
def person(tmp_path: Path) -> Person:
    """Return somebody with a key."""
    return Person.new(tmp_path / "person")


def test_who_has_the_key_comes_in_and_nobody_else(machines: Machines, person: Person, tmp_path: Path) -> None:
    """OpenSSH logs in with the key that was let in, at an address of the machine's own; another key is refused."""
    stranger = Person.new(tmp_path / "stranger")
    with machines.machine(authorized_keys=[person.public_key], user="debian", gpu=Gpu(use=12)) as one:
        unknown = person.ssh(one, "id")
        assert unknown.returncode == 255, unknown
        assert "Host key verification failed" in unknown.stderr
        person.learns(one)
        stranger.learns(one)
        assert person.ssh(one, "sudo", "-n", "id", "-un").stdout == "root\n"
        assert "Permission denied (publickey" in stranger.ssh(one, "id").stderr
        asked = person.ssh(one, "nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")
        assert asked.stdout == "12\n"


def test_sudo_with_a_password_and_without_any_right(machines: Machines, person: Person) -> None:
    """Where sudo asks, the password on its standard input opens it; a user without the right is told so."""
    with (
        machines.machine(authorized_keys=[person.public_key], sudo="password") as asks,
        machines.machine(authorized_keys=[person.public_key], sudo="none", port=0) as never,
    ):
        for one in (asks, never):
            person.learns(one)
            assert person.ssh(one, "sudo", "-n", "true").stderr == "sudo: a password is required\n"
        command = f"echo '{asks.password}' | sudo -S -p '' id -un"
        assert person.ssh(asks, command).stdout == "root\n"
        assert person.ssh(asks, command.replace("horse", "cow")).returncode == 1


def test_cloud_init_brings_host_key_and_caller(machines: Machines, person: Person, tmp_path: Path) -> None:
    """The host key of the user data is shown, its key comes in, root is told who to be, and the rest is done."""
    pair = Person.new(tmp_path / "host")
    private = pair.identity.read_text(encoding="utf-8").replace("\n", "\\n")
    config = USER_DATA.format(private=private, public=pair.public_key, key=person.public_key)
    with machines.machine(cloud_config=config) as one:
        assert one.host_key == " ".join(pair.public_key.split()[:2])
        person.learns(one)
        assert person.ssh(one, "id", "-un").stdout == "ubuntu\n"
        argv = ["ssh", "-l", "root", *person.argv(one, "id")[1:]]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as as_root:
            assert as_root.stdout is not None
            assert 'Please login as the user "ubuntu"' in as_root.stdout.readline()
            as_root.kill()
        one.until("test -f /var/lib/plexctl/prepared")
        assert one("stat", "--format=%a %U", "/var/lib/cloud/instance/user-data.txt") == "600 root"


def test_connections_break_and_machines_reboot(machines: Machines, person: Person) -> None:
    """A cut ends what is connected, refused callers come in later, and files outlive a reboot."""
    with machines.machine(authorized_keys=[person.public_key]) as one:
        person.learns(one)
        argv = person.argv(one, "echo here; exec sleep 1000")
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as caller:
            assert caller.stdout is not None
            assert caller.stdout.readline() == "here\n"
            assert any("sleep 1000" in line for line in one.processes())
            assert one.cut() == 1
            assert caller.wait(10) == 255
        one.refuse(2)
        assert [person.ssh(one, "true").returncode for _ in range(3)] == [255, 255, 0]
        person.ssh(one, "touch kept /tmp/lost; setsid sleep 2000 >/dev/null 2>&1 &")
        one.power_off()
        assert "Connection refused" in person.ssh(one, "true").stderr
        one.power_on()
        assert person.ssh(one, "ls . /tmp").stdout == ".:\nkept\n\n/tmp:\n"
        assert not any("sleep 2000" in line for line in one.processes())
