"""A port of a host as one of this computer's loopback."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from plexctl.errors import PlexError
from plexctl_providers._common.ssh.connection import Channel, Connection

_PIECE = 32768
_BACKLOG = 16


class _Tunnel:
    """Keeps one connection for all callers, and makes it anew for the next one once it broke."""

    def __init__(self, connect: Callable[[], Connection], target: tuple[str, int]) -> None:
        self._connect = connect
        self._target = target
        self._connection: Connection | None = None
        self._connecting = threading.Lock()
        self._lock = threading.Lock()
        self._callers: set[socket.socket] = set()
        self._has_ended = False

    def begin(self) -> None:
        """Connect, unless the connection is up."""
        self._alive()

    def serve(self, listener: socket.socket) -> None:
        """Take callers until the listener is closed."""
        while True:
            try:
                caller, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._carry, args=(caller,), name="ssh-tunnel", daemon=True).start()

    def end(self) -> None:
        """Drop the callers and the connection."""
        with self._lock:
            self._has_ended = True
            callers, connection = list(self._callers), self._connection
        for caller in callers:
            with contextlib.suppress(OSError):
                caller.shutdown(socket.SHUT_RDWR)
        if connection is not None:
            connection.close()

    def _carry(self, caller: socket.socket) -> None:
        with contextlib.closing(caller):
            with self._lock:
                if self._has_ended:
                    return
                self._callers.add(caller)
            try:
                with (
                    contextlib.suppress(PlexError, OSError, EOFError),
                    contextlib.closing(self._alive().open(*self._target)) as channel,
                ):
                    _both_ways(caller, channel)
            finally:
                with self._lock:
                    self._callers.discard(caller)

    def _alive(self) -> Connection:
        """Return the connection, made anew where it broke; one caller at a time makes it."""
        with self._connecting:
            if self._connection is None or not self._connection.is_alive():
                if self._connection is not None:
                    self._connection.close()
                connection = self._connect()
                with self._lock:
                    self._connection = connection
                    if self._has_ended:
                        connection.close()
            return self._connection


@contextmanager
def forwarded(connect: Callable[[], Connection], host: str, port: int) -> Iterator[int]:
    """Give a port of 127.0.0.1 that leads to `host:port` as the host sees it, until the context ends.

    Connects before it returns, and raises as `connect` does; a connection that breaks is made anew for the next caller,
    who is hung up on when that fails.
    """
    tunnel = _Tunnel(connect, (host, port))
    tunnel.begin()
    with socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG) as listener:
        thread = threading.Thread(target=tunnel.serve, args=(listener,), name="ssh-tunnels", daemon=True)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            tunnel.end()


def _both_ways(caller: socket.socket, channel: Channel) -> None:
    back = threading.Thread(target=_copy_back, args=(caller, channel), name="ssh-tunnel-back", daemon=True)
    back.start()
    with contextlib.suppress(OSError):
        while data := caller.recv(_PIECE):
            channel.sendall(data)
    with contextlib.suppress(OSError, EOFError):
        channel.shutdown_write()
    back.join()


def _copy_back(caller: socket.socket, channel: Channel) -> None:
    with contextlib.suppress(OSError):
        while data := channel.recv(_PIECE):
            caller.sendall(data)
        caller.shutdown(socket.SHUT_WR)
