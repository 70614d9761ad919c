"""Two hosts of one's own, for the contract's tests: real machines with sshd, looked at behind plexctl's back."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.contract.worlds import UNDOCUMENTED, Fault, until
from tests.machines.client import Person
from tests.machines.machine import Machine, Machines

from plexctl.contract import Context, Provider
from plexctl.errors import ConflictError, PreflightError
from plexctl.model import Offer, Ref
from plexctl.secret import Secret
from plexctl.spec import Host, Spec, Ssh
from plexctl_providers._common.ssh.errors import ChangedHostKeyError, LoginRefusedError, UnreachableError
from plexctl_providers.ssh.adapter import SshProvider

_KINDS = {"host-files": "/var/lib/plexctl/deployment", "host-secrets": "/etc/plexctl/secrets.env"}
_OURS = ("/etc", "/home", "/opt/plexctl", "/root", "/run", "/srv", "/tmp", "/var/lib/plexctl", "/var/log", "/var/tmp")  # noqa: S108 - on a machine


@dataclass
class SshWorld:
    """Two machines and somebody who may log in to both."""

    home: Path
    store: Machines
    machines: tuple[Machine, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.person = Person.new(self.home.parent / ".ssh")
        self.machines = tuple(self.store.start(authorized_keys=[self.person.public_key]) for _ in range(2))
        for one in self.machines:
            self.person.learns(one)
        self._seen: list[str] = []
        self._last: list[str] = []

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> Provider:
        """Return a fresh adapter; the hosts are named in the environment."""
        hosts = ",".join(one.destination for one in self.machines)
        environment = {"HOME": str(self.home.parent), "PLEXCTL_SSH_HOST": hosts}
        values = {"PLEXCTL_TOKEN": Secret("token-of-a-test"), **(secrets or {})}
        return SshProvider(Context(self.home, environment, values, time.time))

    def spec(self, name: str, secrets: tuple[str, ...] = ()) -> Spec:
        """Ask for echo."""
        return Spec(name=name, provider="ssh", engine="echo", secrets=secrets)

    def running(self, ref: Ref) -> int:
        """Count the machines on which the deployment's bootstrap or gateway runs."""
        return sum(bool(_ours(one)) for one in self.machines if _label_on(one) == ref.label)

    def kill(self, ref: Ref) -> None:
        """SIGKILL to every process of it."""
        for one in self.machines:
            if _label_on(one) == ref.label:
                until(lambda one=one: _kill(one), "its end")  # type: ignore[misc]

    def places_of(self, value: str) -> list[str]:
        """Look into files, command lines and environments on both machines, and below plexctl's folder."""
        mine = [path for path in self.home.rglob("*") if path.is_file() and value.encode() in path.read_bytes()]
        found = [str(path.relative_to(self.home)) for path in mine]
        for one in self.machines:
            script = 'grep --recursive --files-with-matches --fixed-strings -e "$(cat)" "$@" 2>/dev/null; true'
            found += one("sh", "-c", script, "sh", *_OURS, stdin=value).splitlines()
            found += [f"cmdline {line}" for line in one.processes() if value in line and "grep" not in line]
        return sorted(found)

    def expected_places(self, ref: Ref) -> list[str]:
        """Only the file that root alone reads."""
        del ref
        return ["/etc/plexctl/secrets.env"]

    def mutations(self) -> list[str]:
        """Return what was written and started, as the files and processes of now tell: all changes since the last."""
        now = [row for number, one in enumerate(self.machines) for row in _facts(one, number)]
        self._seen += [row for row in now if row not in self._last]
        self._last = now
        return list(self._seen)

    def exists(self) -> list[tuple[str, str]]:
        """Look for the files."""
        found = []
        for one in self.machines:
            label = _label_on(one)
            found += [("host-files", label)] if label else []
            if one.run("test", "-e", _KINDS["host-secrets"]).returncode == 0:
                found.append(("host-secrets", _KINDS["host-secrets"]))
        return sorted(found)

    def lose_the_next_answer(self) -> None:
        """Skip: there is no answer to one call."""
        pytest.skip("connections that break at each step are in tests/ssh_provider")

    def keep_the_next_deleted(self) -> None:
        """Skip: what root removes is gone, or says why not."""
        pytest.skip("root's own removal does not fail without a word; what is left is in tests/ssh_provider")

    def faults(self) -> Mapping[str, Fault]:
        """Return what a host of one's own may be like."""
        first, _ = self.machines
        hosts = (first.destination,)

        def spec(**ssh: object) -> Spec:
            return Spec(name="voice", provider="ssh", engine="echo", ssh=Ssh(hosts=hosts, **ssh))  # type: ignore[arg-type]

        offer = Offer("ssh", None, 0, first.destination, 0.0, "a test", None, {"host": first.destination})
        stranger = Spec(name="voice", provider="ssh", engine="echo", ssh=Ssh(hosts=(f"nobody@{first.address}",)))
        taken = "python3 -m http.server --bind 127.0.0.1 8998 >/dev/null 2>&1 & "
        taken += "until grep -q :2326 /proc/net/tcp; do :; done"
        return {
            "port taken": Fault(lambda: _run(first, taken), ConflictError, "port 8998 is taken", _none, spec(), offer),
            "another deployment": Fault(
                lambda: _run(first, "mkdir /var/lib/plexctl; echo plexctl-other-abc234 >/var/lib/plexctl/deployment"),
                ConflictError,
                "plexctl-other-abc234",
                lambda: _run(first, "rm -r /var/lib/plexctl"),
                spec(),
            ),
            "changed host key": Fault(
                lambda: _run(
                    first, "cd /etc/ssh; rm ssh_host_*; ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key"
                ),
                ChangedHostKeyError,
                "another key than before",
                _none,
                spec(),
            ),
            "wrong user": Fault(_none, LoginRefusedError, "nobody", _none, stranger),
            "out of reach": Fault(first.power_off, UnreachableError, "refuses connections", first.power_on, spec()),
            "no docker": Fault(
                _none,
                PreflightError,
                "host.runtime to python",
                _none,
                Spec(name="voice", provider="ssh", engine="echo", ssh=Ssh(hosts=hosts), host=Host(runtime="docker")),
                offer,
            ),
        }

    def native_states(self) -> Mapping[str, Callable[[], None]]:
        """Skip: what a host says is a table of its own."""
        pytest.skip(f"a host has no list of states, {UNDOCUMENTED} ones neither: tests/ssh_provider has the table")

    def close(self) -> None:
        """Remove the machines."""
        for one in self.machines:
            one.remove()


def _none() -> None:
    """Leave it as it is."""


def _run(machine: Machine, script: str) -> None:
    machine("bash", "-c", script)


def _label_on(machine: Machine) -> str:
    return machine.run("head", "-n", "1", _KINDS["host-files"]).stdout.strip()


def _ours(machine: Machine) -> list[str]:
    return [line for line in machine.processes() if "plexctl.gateway" in line or "bundle/bootstrap.sh" in line]


def _kill(machine: Machine) -> bool:
    """Kill everything of plexctl's; return whether nothing is left."""
    script = (
        "for pid in $(grep --files-with-matches --text -e plexctl.gateway -e bundle/bootstrap.sh /proc/[0-9]*/cmdline "
        '| grep -o "[0-9]*"); do [ "$pid" = $$ ] || kill -KILL "$pid"; done; true'
    )
    machine.run("bash", "-c", script)
    return not _ours(machine)


def _facts(machine: Machine, number: int) -> list[str]:
    """Return what a change of anything changes: times of files, and the bootstrap's runs."""
    script = (
        'cd /var/lib/plexctl 2>/dev/null && stat --format="host-files %n %y" bundle bundle/bootstrap.sh deployment; '
        'stat --format="host-secrets %n %y" /etc/plexctl/secrets.env; grep --count "plexctl: started" bootstrap.log'
    )
    done = machine.run("bash", "-c", f"{{ {script}; }} 2>/dev/null")
    rows = [row for row in done.stdout.splitlines() if row.startswith("host-")]
    runs = [f"started host-files {row}" for row in done.stdout.splitlines() if row.isdigit() and row != "0"]
    return [f"write {row} of {number}" for row in rows] + [f"{row} of {number}" for row in runs]
