"""OpenSSH as a person uses it, against a machine: a key pair of its own, and a known_hosts file of its own."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.machines.machine import Machine


@dataclass(frozen=True)
class Person:
    """Somebody with a folder, in which `id_ed25519` and `known_hosts` lie."""

    folder: Path

    @classmethod
    def new(cls, folder: Path) -> Person:
        """Return somebody with a new key, who knows no machine."""
        folder.mkdir(parents=True, exist_ok=True)
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "a person", "-f", str(folder / "id_ed25519")]
        subprocess.run(argv, check=True)
        (folder / "known_hosts").touch()
        return cls(folder)

    @property
    def identity(self) -> Path:
        """The private key's file."""
        return self.folder / "id_ed25519"

    @property
    def public_key(self) -> str:
        """The line for a machine's authorized_keys."""
        return (self.folder / "id_ed25519.pub").read_text(encoding="utf-8").strip()

    @property
    def known_hosts(self) -> Path:
        """The file of machines that are known."""
        return self.folder / "known_hosts"

    def learns(self, machine: Machine) -> None:
        """Write a machine's host key down, as if it had been compared."""
        with self.known_hosts.open("a", encoding="utf-8") as file:
            file.write(machine.known_hosts)

    def argv(self, machine: Machine, *command: str) -> list[str]:
        """Return OpenSSH's command line for a command on a machine."""
        settings = (f"UserKnownHostsFile={self.known_hosts}", "StrictHostKeyChecking=yes", "BatchMode=yes")
        options = [word for setting in settings for word in ("-o", setting)]
        place = ("-p", str(machine.port), "-l", machine.user, machine.address)
        return ["ssh", "-F", "none", "-i", str(self.identity), *options, *place, "--", *command]

    def ssh(self, machine: Machine, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command on a machine by OpenSSH, to its end, whatever that is."""
        argv = self.argv(machine, *command)
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, env={}, check=False
        )
