"""A real sshd on the loopback for one test, whose host and user keys are its own, and a wire that can be cut."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from plexctl_providers._common.ssh.connection import is_reachable
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.keys import KeyPair, new_key_pair
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.trust import Trust

USER = pwd.getpwuid(os.getuid()).pw_name
PATIENCE_S = 20.0
_SSHD = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "/usr/sbin/sshd"
_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
"""


@dataclass(frozen=True)
class Sshd:
    """A running sshd: its folder, port, host key, and a key that it lets in."""

    folder: Path
    port: int
    host: KeyPair
    mine: KeyPair

    @property
    def destination(self) -> Destination:
        """Where it is, with the user who may log in."""
        return Destination("127.0.0.1", self.port, USER)

    @property
    def login(self) -> Login:
        """What gets in: the pinned host key, and the right key of the user."""
        return Login(self.destination, Trust(pinned=(self.host.public,)), self.mine.private)

    def known_hosts(self, text: str) -> Login:
        """Return a login that believes a known_hosts file of this text."""
        path = self.folder / "known_hosts"
        path.write_text(text, encoding="utf-8")
        return replace(self.login, trust=Trust(known_hosts=path))

    def key_file(self, name: str = "key", passphrase: str = "", key: KeyPair | None = None) -> Path:
        """Write the user's key as a file, as ssh-keygen does."""
        path = write_key(self.folder / name, key or self.mine)
        if passphrase:
            keygen("-q", "-p", "-P", "", "-N", passphrase, "-f", str(path))
        return path

    def log(self) -> str:
        """Return what sshd wrote about its connections."""
        return (self.folder / "log").read_text(encoding="utf-8")


@contextmanager
def sshd(
    folder: Path, *lines: str, sftp: str = "internal-sftp", keys: Sequence[KeyPair] = (), prefix: Sequence[str] = ()
) -> Iterator[Sshd]:
    """Give an sshd with further lines of configuration, or another sftp, or other host keys; `prefix` starts it."""
    folder.mkdir(parents=True, exist_ok=True)
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    port, mine = free_port(), new_key_pair("test")
    hosts = list(keys) or [new_key_pair("host")]
    paths = [write_key(folder / f"host{number}", key) for number, key in enumerate(hosts)]
    (folder / "authorized_keys").write_text(f"{mine.public}\n", encoding="utf-8")
    further = [f"Subsystem sftp {sftp}"] if sftp else []
    text = [_CONFIG.format(port=port, folder=folder), *(f"HostKey {path}" for path in paths), *further, *lines, ""]
    (folder / "config").write_text("\n".join(text), encoding="utf-8")
    argv = [*prefix, _SSHD, "-D", "-f", str(folder / "config"), "-E", str(folder / "log")]
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    one = Sshd(folder, port, hosts[0], mine)
    try:
        until(lambda: is_reachable(one.destination) or process.poll() is not None)
        assert process.poll() is None, process.stderr and process.stderr.read()
        yield one
    finally:
        process.kill()
        process.communicate()


@dataclass
class Wire:
    """A port that leads to another one until it is cut or frozen."""

    port: int
    target: int
    listener: socket.socket
    pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)
    is_thawed: threading.Event = field(default_factory=threading.Event)

    def cut(self) -> None:
        """Drop every connection now; new ones are let through."""
        for pair in self.pairs:
            for end in pair:
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def serve(self) -> None:
        """Carry until the listener is closed."""
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self.target))
                except ConnectionRefusedError:
                    near.close()
                    continue
                self.pairs.append((near, far))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                self.is_thawed.wait()
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def wire_to(target: int) -> Iterator[Wire]:
    """Give a wire to a port of the loopback."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        wire = Wire(listener.getsockname()[1], target, listener)
        wire.is_thawed.set()
        thread = threading.Thread(target=wire.serve, daemon=True)
        thread.start()
        yield wire
        wire.is_thawed.set()
        wire.cut()
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
        for near, far in wire.pairs:
            near.close()
            far.close()


@contextmanager
def server_that(answers: Callable[[socket.socket], None]) -> Iterator[Destination]:
    """Give a port where each connection is handed to a function, and closed when it returns."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    answers(connection)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Destination("127.0.0.1", listener.getsockname()[1], "nobody")
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def write_key(path: Path, key: KeyPair) -> Path:
    """Write a private key as a file that only its owner reads."""
    path.write_text(key.private.reveal(), encoding="utf-8")
    path.chmod(0o600)
    return path


def keygen(*argv: str) -> str:
    """Run ssh-keygen, which succeeds, and return what it prints."""
    return subprocess.run(["ssh-keygen", *argv], capture_output=True, text=True, check=True).stdout


def free_port() -> int:
    """Return a port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def until(is_so: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline, "it never became so"
        pause.wait(0.02)
