"""A host's port on this computer's loopback: many callers, both directions, and connections that break."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.ssh.rig import Sshd, free_port, sshd, until, wire_to

from plexctl_providers._common.ssh.connection import Connection, connect, is_reachable
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import UnknownHostKeyError
from plexctl_providers._common.ssh.forwarding import forwarded
from plexctl_providers._common.ssh.trust import Trust

pytestmark = pytest.mark.real
LARGE = bytes(range(256)) * 20_000


@contextmanager
def echo_server() -> Iterator[int]:
    """Give a port that says everything back, and ends when its caller has ended."""

    def answer(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while data := connection.recv(65536):
                connection.sendall(data)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def said_back(port: int, data: bytes) -> bytes:
    """Send something, say that nothing follows, and return all that comes back."""
    with socket.create_connection(("127.0.0.1", port), 20) as caller:

        def send() -> None:
            with suppress(OSError):
                caller.sendall(data)
                caller.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        heard = bytearray()
        with suppress(ConnectionError):
            while piece := caller.recv(65536):
                heard += piece
        sender.join()
        return bytes(heard)


@dataclass
class Connecting:
    """Connects to a server, and counts how often."""

    how: Callable[[], Connection]
    made: list[Connection] = field(default_factory=list)

    def __call__(self) -> Connection:
        """Return a new connection."""
        self.made.append(self.how())
        return self.made[-1]


def test_bytes_go_both_ways_and_an_end_is_passed_on(server: Sshd) -> None:
    """Megabytes come back whole, a caller that only ends its sending half still hears the rest."""
    with echo_server() as target, forwarded(lambda: connect(server.login), "127.0.0.1", target) as port:
        assert said_back(port, LARGE) == LARGE
        assert said_back(port, b"") == b""


def test_many_callers_share_one_connection(server: Sshd) -> None:
    """Callers at the same time do not hear each other, and log in once."""
    connecting = Connecting(lambda: connect(server.login))
    with echo_server() as target, forwarded(connecting, "127.0.0.1", target) as port:
        callers = [socket.create_connection(("127.0.0.1", port), 20) for _ in range(8)]
        for number, caller in enumerate(callers):
            caller.sendall(b"%d" % number)
        assert [caller.recv(100) for caller in callers] == [b"%d" % number for number in range(8)]
        for caller in callers:
            caller.close()
    assert len(connecting.made) == 1


def test_the_port_is_of_the_loopback_and_gone_afterwards(server: Sshd) -> None:
    """Nobody else's computer can use it; callers and the connection end with it."""
    connecting = Connecting(lambda: connect(server.login))
    with echo_server() as target:
        with forwarded(connecting, "127.0.0.1", target) as port:
            caller = socket.create_connection(("127.0.0.1", port), 20)
            caller.sendall(b"x")
            assert caller.recv(1) == b"x"
        with closing(caller), suppress(ConnectionError):
            assert caller.recv(1) == b""
    assert not is_reachable(Destination("127.0.0.1", port))
    assert not connecting.made[0].is_alive()


def test_a_connection_that_broke_is_made_anew_for_the_next_caller(server: Sshd) -> None:
    """Who talks while it breaks is hung up on; the next one gets through."""
    with wire_to(server.port) as wire:
        login = replace(server.login, destination=replace(server.destination, port=wire.port))
        connecting = Connecting(lambda: connect(login))
        with echo_server() as target, forwarded(connecting, "127.0.0.1", target) as port:
            with socket.create_connection(("127.0.0.1", port), 20) as caller:
                caller.sendall(b"x")
                assert caller.recv(1) == b"x"
                wire.cut()
                with suppress(ConnectionError):
                    assert caller.recv(1) == b""
            until(lambda: not connecting.made[0].is_alive())
            assert said_back(port, b"again") == b"again"
            assert len(connecting.made) == 2
    assert not any(one.is_alive() for one in connecting.made)


def test_who_cannot_be_carried_is_hung_up_on(server: Sshd, tmp_path: Path) -> None:
    """A port where nobody listens yet, and a host that cannot be reached again, end the caller and not the tunnel."""
    nobody = free_port()
    with forwarded(lambda: connect(server.login), "127.0.0.1", nobody) as port:
        assert said_back(port, b"x") == b""
        with (
            socket.create_server(("127.0.0.1", nobody)) as late,
            socket.create_connection(("127.0.0.1", port), 20) as caller,
            closing(late.accept()[0]) as there,
        ):
            there.sendall(b"up")
            assert caller.recv(2) == b"up"
    with sshd(tmp_path) as one, wire_to(one.port) as wire, echo_server() as target:
        login = replace(one.login, destination=replace(one.destination, port=wire.port))
        connecting = Connecting(lambda: connect(login))
        with forwarded(connecting, "127.0.0.1", target) as port:
            wire.target = free_port()
            wire.cut()
            until(lambda: not connecting.made[0].is_alive())
            assert said_back(port, b"x") == b""
            wire.target = one.port
            until(lambda: said_back(port, b"x") == b"x")


def test_what_keeps_the_first_connection_from_being_made_is_raised(server: Sshd) -> None:
    """A tunnel that cannot begin is an error with its reason, not a port that hangs up."""
    with (
        pytest.raises(UnknownHostKeyError),
        forwarded(lambda: connect(replace(server.login, trust=Trust())), "127.0.0.1", 1),
    ):
        pytest.fail("there is no tunnel")
