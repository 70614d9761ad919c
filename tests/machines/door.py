"""The ssh port of a machine: an address of its own on the loopback, behind which each caller gets a real sshd.

sshd runs as inetd would start it, with the caller's socket as its standard input and output, inside the machine's
namespaces. So no daemon has to come up first, and it reads its configuration and keys anew for each caller.
"""

from __future__ import annotations

import random
import socket
import struct
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

_TRIES = 50
_CLOSING_S = 10.0
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, no time; closing then resets the connection."""


class Door:
    """Takes callers at `address` and `port` while it is open; otherwise they are refused, as by a machine without sshd.

    `sshd` gives the command line for a caller; what it says goes to the file `log`.
    """

    def __init__(self, sshd: Callable[[], list[str]], log: Path, port: int = 22, address: str | None = None) -> None:
        self._sshd = sshd
        self._log = log
        self._lock = threading.Lock()
        self._callers: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._unwanted = 0
        self._socket = _bound(port, address)
        self.address: str = self._socket.getsockname()[0]
        self.port: int = self._socket.getsockname()[1]

    def open(self) -> None:
        """Take callers from now on."""
        self._socket.listen(64)
        self._begin(self._take, self._socket)

    def shut(self) -> None:
        """Refuse callers from now on, end those that are there, and keep the address."""
        self._end()
        self._socket = _bound(self.port, self.address)

    def close(self) -> None:
        """Give the address back; every caller is gone afterwards."""
        self._end()
        self._socket.close()
        for thread in self._threads:
            thread.join(_CLOSING_S)

    def cut(self) -> int:
        """Break every connection now; return how many there were."""
        with self._lock:
            callers = list(self._callers)
        for caller in callers:
            _shut_down(caller)
        return len(callers)

    def refuse(self, callers: int) -> None:
        """Reset the next so many connections before a word is said, as sshd does with too many of them."""
        with self._lock:
            self._unwanted = callers

    def _end(self) -> None:
        _shut_down(self._socket)
        self._socket.close()
        self.cut()

    def _begin(self, function: Callable[[socket.socket], None], argument: socket.socket) -> None:
        thread = threading.Thread(target=function, args=(argument,), daemon=True)
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _take(self, listener: socket.socket) -> None:
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            with self._lock:
                is_wanted = self._unwanted <= 0
                self._unwanted -= not is_wanted
                if is_wanted:
                    self._callers.add(caller)
            if is_wanted:
                self._begin(self._serve, caller)
            else:
                caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                caller.close()

    def _serve(self, caller: socket.socket) -> None:
        with caller, self._log.open("ab") as log:
            subprocess.run(self._sshd(), stdin=caller.fileno(), stdout=caller.fileno(), stderr=log, check=False)
            with self._lock:
                self._callers.discard(caller)


def _bound(port: int, address: str | None = None) -> socket.socket:
    """Return a socket that holds an address and does not listen: who calls is refused."""
    for _ in range(_TRIES):
        one = socket.socket()
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        picked = address or ".".join(str(part) for part in (127, *random.choices(range(2, 250), k=3)))  # noqa: S311 - any one
        try:
            one.bind((picked, port))
        except OSError:
            one.close()
        else:
            return one
    raise AssertionError(f"no address of the loopback is free for port {port}")


def _shut_down(one: socket.socket) -> None:
    try:
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it is gone already
