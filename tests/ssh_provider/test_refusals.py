from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from tests.machines.client import Person
from tests.machines.gpu import Gpu
from tests.machines.machine import Machine, Machines
from tests.ssh_provider.rig import Owner

from plexctl.errors import ConflictError, CredentialsError, PlexError, PreflightError
from plexctl.journal import Journal
from plexctl.secret import Secret
from plexctl.spec import Host, Spec, Ssh
from plexctl_providers._common.ssh.errors import (
    ChangedHostKeyError,
    LoginRefusedError,
    UnknownHostKeyError,
    UnreachableError,
)
from plexctl_providers._common.ssh.keys import fingerprint

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

NO_PORT = "python3 -m http.server --bind 127.0.0.1 8998 >/dev/null 2>&1 & until grep -q :2326 /proc/net/tcp; do :; done"


def refusal(owner: Owner, journal: Journal, spec: Spec, kind: type[PlexError]) -> str:
    """Deploy, which raises exactly that; return its words and hint. What was recorded is destroyed."""
    with pytest.raises(kind) as caught:
        owner.deploy(journal, spec)
    for record in journal.records():
        owner.provider().destroy(record.ref)
        journal.entry(record.ref.id).gone()
    assert type(caught.value) is kind
    assert "\n" not in caught.value.message
    return f"{caught.value.message} | {caught.value.hint}"


def test_whom_to_believe(owner: Owner, machine: Machine, person: Person, journal: Journal) -> None:
    """Unknown: refused with the fingerprint, let in when it is accepted; changed: refused, and nothing offers to."""
    person.known_hosts.write_text("")
    spec = owner.spec()
    shown = fingerprint(machine.host_key)
    words = refusal(owner, journal, spec, UnknownHostKeyError)
    assert f"--accept-host-key {shown}" in words
    wrong = msgspec.structs.replace(spec, ssh=Ssh(hosts=spec.ssh.hosts, accept_host_key=("SHA256:other",)))
    assert shown in refusal(owner, journal, wrong, UnknownHostKeyError)

    accepting = msgspec.structs.replace(spec, ssh=Ssh(hosts=spec.ssh.hosts, accept_host_key=(shown,)))
    entry = owner.deploy(journal, accepting)
    assert owner.provider().status(entry.ref).endpoint is not None, "what was accepted is remembered"
    owner.provider().destroy(entry.ref)
    journal.entry(entry.ref.id).gone()

    person.learns(machine)
    machine("sh", "-c", "rm /etc/ssh/ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key")
    words = refusal(owner, journal, accepting, ChangedHostKeyError)
    assert shown in words
    assert fingerprint(machine.host_key) in words
    assert "--accept-host-key" not in words


def test_who_one_is(owner: Owner, machine: Machine, tmp_path: Path, journal: Journal) -> None:
    """A wrong user, and a key that is not let in: both name the user, and neither leaves anything."""
    before = machine.state()
    wrong = Spec(name="voice", provider="ssh", engine="echo", ssh=Ssh(hosts=(f"nobody-here@{machine.address}",)))
    assert "nobody-here" in refusal(owner, journal, wrong, LoginRefusedError)
    stranger = Person.new(tmp_path / "stranger")
    ssh = Ssh(hosts=(machine.destination,), identity=str(stranger.identity))
    words = refusal(owner, journal, msgspec.structs.replace(owner.spec(), ssh=ssh), LoginRefusedError)
    assert str(stranger.identity) in words
    assert issubclass(LoginRefusedError, CredentialsError)
    assert machine.state() == before


def test_out_of_reach(owner: Owner, machine: Machine, journal: Journal) -> None:
    """A host that is off is told as such."""
    machine.power_off()
    assert machine.address in refusal(owner, journal, owner.spec(), UnreachableError)


def test_sudo_with_a_password(machines: Machines, person: Person, tmp_path: Path) -> None:
    """Asked for, wrong, and right; it is in no command line of the host."""
    with machines.machine(authorized_keys=[person.public_key], sudo="password") as one:
        person.learns(one)
        owner = Owner(tmp_path, (one,))
        with owner.journal() as journal:
            words = refusal(owner, journal, owner.spec(), PreflightError)
            assert "asks for a password" in words
            assert "PLEXCTL_SUDO_PASSWORD" in words
            owner.variables["PLEXCTL_SUDO_PASSWORD"] = "wrong"
            assert "refuses the password" in refusal(owner, journal, owner.spec(), PreflightError)
            owner.variables["PLEXCTL_SUDO_PASSWORD"] = one.password
            entry = owner.deploy(journal)
            assert owner.provider().status(entry.ref).endpoint is not None
            assert one.password not in "\n".join(one.processes())
            assert (
                one.run(
                    "grep", "--recursive", "--files-with-matches", one.password, "/var/lib/plexctl", "/var/log", "/etc"
                ).stdout
                == ""
            )
            assert owner.provider().destroy(entry.ref).removed


def test_what_the_host_is_like(owner: Owner, machine: Machine, journal: Journal) -> None:
    """No Docker, a taken port, a full disk: each its class and words, and the host is left as it was."""
    before = machine.state()
    docker = msgspec.structs.replace(owner.spec(), host=Host(runtime="docker"))
    assert "set host.runtime to python" in refusal(owner, journal, docker, PreflightError)
    machine("bash", "-c", NO_PORT)
    assert "port 8998 is taken" in refusal(owner, journal, owner.spec(), ConflictError)
    versions = {path for path in before if path.startswith("/opt/plexctl")}
    assert machine.state() == {path: row for path, row in before.items() if path not in versions}
    machine("sh", "-c", "printf '#!/bin/sh\\necho Avail; echo 5\\n' >/usr/local/bin/df; chmod +x /usr/local/bin/df")
    assert "5 MB are free" in refusal(owner, journal, owner.spec(), PreflightError)


def test_what_a_gpu_is_like(machines: Machines, person: Person, tmp_path: Path) -> None:
    """No driver, one that is too old, and Docker without NVIDIA's toolkit: said before anything is installed."""
    values = {"PLEXCTL_TOKEN": Secret("a"), "HF_TOKEN": Secret("b")}
    for gpu, words in ((None, "no NVIDIA driver"), (Gpu(driver="470.82", cuda="11.4"), "driver 470.82 is for CUDA")):
        with machines.machine(authorized_keys=[person.public_key], gpu=gpu) as one:
            person.learns(one)
            owner = Owner(tmp_path, (one,), secrets=values)
            spec = msgspec.structs.replace(owner.spec(), engine="personaplex")
            with owner.journal() as journal:
                assert words in refusal(owner, journal, spec, PreflightError)


@pytest.mark.slow
def test_docker_without_the_toolkit(machines: Machines, person: Person, tmp_path: Path) -> None:
    """Asked for Docker on a host whose apt knows no toolkit: a clear refusal of the host."""
    values = {"PLEXCTL_TOKEN": Secret("a"), "HF_TOKEN": Secret("b")}
    with machines.machine("systemd", authorized_keys=[person.public_key], gpu=Gpu()) as one:
        person.learns(one)
        owner = Owner(tmp_path, (one,), secrets=values)
        spec = msgspec.structs.replace(owner.spec(), engine="personaplex", host=Host(runtime="docker"))
        with owner.journal() as journal:
            assert "apt knows no nvidia-container-toolkit" in refusal(owner, journal, spec, PreflightError)
