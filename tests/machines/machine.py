"""Machines with a real sshd, ready within a second: containers without a network, each with an address of its own.

A machine has its own processes, files and ports; what listens inside is reached through ssh alone. It is a podman
container in the session's own store, and ends by itself where nobody ends it.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Unpack

from tests.containers.rig import Podman, podman_in_own_store
from tests.machines.door import Door
from tests.machines.images import bare_image, systemd_image, warm_image
from tests.machines.preparing import HOST_KEY, PASSWORD, USER, Wanted, after_sshd, before_sshd

Image = Literal["bare", "warm", "systemd"]
WHOLE = ("/bin", "/boot", "/etc", "/home", "/lib", "/opt", "/root", "/sbin", "/srv", "/usr", "/var")
CHANGES_ANYWAY = (
    *("/var/log/", "/var/cache/", "/var/lib/apt/", "/var/lib/dpkg/"),
    # What the tools of accounts keep of the state before.
    *("/etc/passwd-", "/etc/group-", "/etc/shadow-", "/etc/gshadow-", "/etc/subuid-", "/etc/subgid-"),
)
_INSIDE = Path(__file__).parents[1] / "hosts" / "inside.py"
_IMAGES = {"bare": bare_image, "warm": warm_image, "systemd": systemd_image}
_LIFETIME_S = 3600
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FIRST = ("bash", "-c", f"sleep {_LIFETIME_S} & wait $!")
"""A first process that takes care of orphans, as an init does."""
_AS_CONTAINER = ("--tmpfs", "/run:mode=0755", "--tmpfs", "/tmp:mode=1777,exec")  # noqa: S108 - inside
_UP = "until systemctl is-system-running --wait 2>/dev/null | grep -qE 'running|degraded'; do sleep 0.02; done"
_WITH_SYSTEMD = ("--systemd", "always", "--privileged", "--volume", "/var/lib/docker")


@dataclass
class Machine:
    """One machine, up and with sshd at `address` and `port`, unless it was powered off."""

    podman: Podman
    name: str
    folder: Path
    user: str
    has_systemd: bool
    port: int = 22
    pid: int = 0
    password: str = PASSWORD
    door: Door = field(init=False)
    _late: threading.Thread | None = None
    _is_removed: bool = False

    def __post_init__(self) -> None:
        self.door = Door(self._sshd, self.folder / "sshd.log", self.port)
        self.port = self.door.port

    @property
    def address(self) -> str:
        """Its address, which is nobody else's: 127.x.y.z."""
        return self.door.address

    @property
    def destination(self) -> str:
        """`user@address[:port]`, as a person writes it."""
        return f"{self.user}@{self.address}" + ("" if self.port == 22 else f":{self.port}")

    @property
    def host_key(self) -> str:
        """The public half of its ssh host key as it is now: `ssh-ed25519 AAAA...`."""
        return " ".join(self("cat", f"{HOST_KEY}.pub").split()[:2])

    @property
    def known_hosts(self) -> str:
        """The line of a known_hosts file that knows it."""
        place = self.address if self.port == 22 else f"[{self.address}]:{self.port}"
        return f"{place} {self.host_key}\n"

    def run(self, *argv: str, stdin: str = "", timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command in it as root, behind plexctl's back, to its end, whatever that is."""
        return subprocess.run(
            [*self._enter(), *argv], input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False
        )

    def __call__(self, *argv: str, stdin: str = "") -> str:
        """Run a command in it that succeeds, and return its output."""
        done = self.run(*argv, stdin=stdin)
        assert done.returncode == 0, f"{' '.join(argv)}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout.strip()

    def listing(self, *roots: str) -> dict[str, list[str]]:
        """Return path to kind and mode, owner, contents and time of everything below these folders."""
        told = self("python3", "-", "listing", *roots, stdin=_INSIDE.read_text(encoding="utf-8"))
        found: dict[str, list[str]] = json.loads(told)
        return found

    def state(self) -> dict[str, list[str]]:
        """Return the listing of all of it, without times and what changes whatever is installed and removed."""
        found = self.listing(*WHOLE)
        return {path: row[:3] for path, row in found.items() if not path.startswith(CHANGES_ANYWAY)}

    def processes(self) -> list[str]:
        """Return the command line of every process in it, sshd's own ones too."""
        lines = []
        for path in Path(f"/proc/{self.pid}/root/proc").glob("[0-9]*/cmdline"):
            try:
                lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace").strip())
            except OSError:
                continue  # it ended
        return [line for line in lines if line]

    def cut(self) -> int:
        """Break every ssh connection now; return how many there were."""
        return self.door.cut()

    def refuse(self, connections: int) -> None:
        """Reset the next so many connections before sshd says a word."""
        self.door.refuse(connections)

    def power_off(self) -> None:
        """End every process in it at once; connections break, and new ones are refused."""
        self.door.shut()
        self.podman("kill", self.name)
        self.podman("wait", self.name)

    def power_on(self) -> None:
        """Bring it up again with the files that it had; what was in memory is gone."""
        self.podman("start", self.name)
        self._boot()

    def reboot(self) -> None:
        """Power it off and on."""
        self.power_off()
        self.power_on()

    def remove(self) -> None:
        """End it, with everything that it had; its address is free then. Again, it does nothing."""
        if self._is_removed:
            return
        self._is_removed = True
        self.podman.run("rm", "--force", "--time", "0", "--volumes", self.name)
        self.door.close()
        if self._late is not None:
            self._late.join()

    def begin(self, wanted: Wanted) -> None:
        """Prepare a container that has just been started, and let callers in; cloud-init's last stage goes on then."""
        self._find()
        self("bash", stdin=before_sshd(wanted))
        self._boot()
        late = after_sshd(wanted)
        if late is not None:
            self._late = threading.Thread(target=self.run, args=("bash",), kwargs={"stdin": late}, daemon=True)
            self._late.start()

    def _boot(self) -> None:
        self._find()
        if self.has_systemd:
            self("timeout", "60", "sh", "-c", _UP)
        self("mkdir", "--parents", "/run/sshd", "/run/lock")
        self.door.open()

    def _find(self) -> None:
        self.pid = int((self.folder / "pid").read_text())

    def _enter(self) -> list[str]:
        clean = ("env", "--ignore-environment", f"PATH={_PATH}", "HOME=/root", "LANG=C.UTF-8")
        return ["nsenter", "--target", str(self.pid), "--all", "--", *clean]

    def _sshd(self) -> list[str]:
        return [*self._enter(), "/usr/sbin/sshd", "-i", "-e"]


@dataclass(frozen=True)
class Machines:
    """Starts machines in a store of podman's."""

    podman: Podman
    folder: Path
    running: list[Machine] = field(default_factory=list)

    def start(self, image: Image = "warm", *, port: int = 22, **wanted: Unpack[Wanted]) -> Machine:
        """Return a new machine that takes callers; `remove` ends it, or the end of the session."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        has_systemd = image == "systemd"
        options, first = (_WITH_SYSTEMD, ("/sbin/init",)) if has_systemd else (_AS_CONTAINER, _FIRST)
        fixed = ("--detach", "--network", "none", "--pidfile", str(folder / "pid"))
        name = self.podman("run", *fixed, *options, _IMAGES[image](), *first)
        one = Machine(self.podman, name, folder, wanted.get("user", USER), has_systemd, port)
        self.running.append(one)
        one.begin(wanted)
        return one

    @contextmanager
    def machine(self, image: Image = "warm", *, port: int = 22, **wanted: Unpack[Wanted]) -> Iterator[Machine]:
        """Give a new machine that takes callers; it is removed afterwards."""
        one = self.start(image, port=port, **wanted)
        try:
            yield one
        finally:
            one.remove()


@contextmanager
def machines_in_own_store() -> Iterator[Machines]:
    """Give a place for machines; all of them are removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="plexctl-machines-") as folder, podman_in_own_store() as podman:
        all_of_them = Machines(podman, Path(folder))
        try:
            yield all_of_them
        finally:
            for one in all_of_them.running:
                one.remove()
