"""A computer of its own to run things in: a podman container without a network, with systemd or without.

It has its own processes, files and ports, and ends by itself where nobody ends it. Commands enter its namespaces as
root, with more rights than a container's first process has: as on a virtual machine.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.containers.rig import Podman
from tests.machines import inside

WHOLE = ("/bin", "/boot", "/etc", "/home", "/lib", "/opt", "/root", "/sbin", "/srv", "/usr", "/var")
CHANGES_ANYWAY = (
    *("/var/log/", "/var/cache/", "/var/lib/apt/", "/var/lib/dpkg/"),
    # What the tools of accounts keep of the state before.
    *("/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-"),
)
_INSIDE = Path(inside.__file__)
_LIFETIME_S = 3600
_UP_S = 60
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIRST = ("bash", "-c", f"sleep {_LIFETIME_S} & wait $!")
"""A first process that takes care of orphans, as an init does."""
_PLAIN = ("--tmpfs", "/run:mode=0755", "--tmpfs", "/tmp:mode=1777,exec")  # noqa: S108 - inside
_WITH_SYSTEMD = ("--systemd", "always", "--privileged", "--volume", "/var/lib/docker")
_UP = "until systemctl is-system-running --wait 2>/dev/null | grep -qE 'running|degraded'; do sleep 0.02; done"


@dataclass
class Container:
    """One container, named by podman; `folder` holds what this side keeps of it."""

    podman: Podman
    name: str
    folder: Path
    has_systemd: bool

    @property
    def pid(self) -> int:
        """The first process's id, as this side sees it."""
        return int((self.folder / "pid").read_text(encoding="ascii"))

    def run(self, *argv: str, stdin: str = "", timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root, behind plexctl's back, to its end, whatever that is."""
        return subprocess.run(
            [*self.enter(), *argv], input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def __call__(self, *argv: str, stdin: str = "") -> str:
        """Run a command in it that succeeds, and return its output."""
        done = self.run(*argv, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def enter(self) -> list[str]:
        """Return the beginning of a command line for what runs in it."""
        clean = ("env", "--ignore-environment", f"PATH={_PATH}", "HOME=/root", "LANG=C.UTF-8")
        return ["nsenter", "--target", str(self.pid), "--all", "--", *clean]

    def until(self, script: str) -> None:
        """Wait until a shell's line succeeds in it."""
        self("timeout", str(_UP_S), "sh", "-c", f"until {script}; do sleep 0.02; done")

    def wait_until_up(self) -> None:
        """Wait until systemd has started everything; without it there is nothing to wait for."""
        if self.has_systemd:
            self("timeout", str(_UP_S), "sh", "-c", _UP)

    def ask(self, what: str, *argv: str) -> dict[str, list[str]]:
        """Return what `inside.py` answers."""
        found: dict[str, list[str]] = json.loads(
            self("python3", "-", what, *argv, stdin=_INSIDE.read_text(encoding="utf-8"))
        )
        return found

    def listing(self, *roots: str) -> dict[str, list[str]]:
        """Return path to kind and mode, owner, contents and time of everything below these folders."""
        return self.ask("listing", *roots)

    def state(self) -> dict[str, list[str]]:
        """Return the listing of all of it, without times and what changes whatever is installed and removed."""
        found = self.listing(*WHOLE)
        return {path: row[:3] for path, row in found.items() if not path.startswith(CHANGES_ANYWAY)}

    def processes(self) -> list[str]:
        """Return the command line of every process in it."""
        lines = []
        for path in Path(f"/proc/{self.pid}/root/proc").glob("[0-9]*/cmdline"):
            try:
                lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
            except OSError:
                continue  # it ended
        return [line for line in lines if line]


def start(podman: Podman, image: str, folder: Path, *options: str, has_systemd: bool = False) -> str:
    """Start a container; return its name. `folder` is where a Container of it keeps what it needs."""
    fixed = ("--detach", "--network", "none", "--pidfile", str(folder / "pid"))
    kind, first = (_WITH_SYSTEMD, ("/sbin/init",)) if has_systemd else (_PLAIN, _FIRST)
    return podman("run", *fixed, *kind, *options, image, *first)


def remove(podman: Podman, name: str) -> None:
    """End a container, with everything that it had."""
    podman("rm", "--force", "--ignore", "--time", "0", "--volumes", name)
