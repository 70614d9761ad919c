"""Machines with a real sshd, ready within half a second, each with an address of its own on the loopback.

What listens inside is reached through ssh alone.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Unpack

from tests.containers.rig import Podman, podman_in_own_store
from tests.machines.container import Container, remove, start
from tests.machines.door import Door
from tests.machines.images import IMAGES, Image
from tests.machines.preparing import HOST_KEY, PASSWORD, USER, Wanted, after_sshd, before_sshd


@dataclass
class Machine(Container):
    """One machine, up and with sshd at `address` and `port`, unless it was powered off."""

    user: str
    port: int = 22
    password: str = PASSWORD
    door: Door = field(init=False)
    _tracer: list[str] = field(default_factory=list)
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

    def cut(self) -> int:
        """Break every ssh connection now; return how many there were."""
        return self.door.cut()

    def refuse(self, connections: int) -> None:
        """Reset the next so many connections before sshd says a word."""
        self.door.refuse(connections)

    def trace(self) -> Path:
        """Write down every program that callers start from now on, with its arguments (strace); return the file."""
        self._tracer = ["strace", "-f", "-A", "-o", str(self.folder / "trace"), "-s", "100000", "-e", "trace=execve"]
        return self.folder / "trace"

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
        remove(self.podman, self.name)
        self.door.close()
        if self._late is not None:
            self._late.join()

    def begin(self, wanted: Wanted) -> None:
        """Prepare a container that has just been started, and let callers in; cloud-init's last stage goes on then."""
        self("bash", stdin=before_sshd(wanted))
        self._boot()
        late = after_sshd(wanted)
        if late is not None:
            self._late = threading.Thread(target=self.run, args=("bash",), kwargs={"stdin": late}, daemon=True)
            self._late.start()

    def _boot(self) -> None:
        self.wait_until_up()
        self("mkdir", "--parents", "/run/sshd", "/run/lock")
        self.door.open()

    def _sshd(self) -> list[str]:
        return [*self._tracer, *self.enter(), "/usr/sbin/sshd", "-i", "-e"]


@dataclass(frozen=True)
class Machines:
    """Starts machines in a store of podman's."""

    podman: Podman
    folder: Path
    running: list[Machine] = field(default_factory=list)

    def start(self, image: Image = "warm", *, port: int = 22, **wanted: Unpack[Wanted]) -> Machine:
        """Return a new machine that takes callers; `remove` ends it, or the end of the session."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        has_systemd = image.endswith("systemd")
        name = start(self.podman, IMAGES[image](), folder, has_systemd=has_systemd)
        one = Machine(self.podman, name, folder, has_systemd, wanted.get("user", USER), port)
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
