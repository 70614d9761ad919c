"""Every error of paramiko's and of a socket is one of plexctl's; what strangers answer is told apart."""

from __future__ import annotations

import inspect
import socket
from collections.abc import Callable
from dataclasses import replace

import paramiko  # type: ignore[import-untyped]
import pytest
from tests.ssh.rig import free_port, server_that

from plexctl.errors import ExtraMissingError, PlexError, ProviderError
from plexctl_providers._common.ssh.connection import connect, is_reachable
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import ConnectionLostError, UnreachableError, reaching, speaking_to
from plexctl_providers._common.ssh.keys import new_key_pair
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.trust import Trust
from plexctl_providers._common.ssh.vendor import load

WHERE = Destination("gpu", 22, "me")
ARGUMENTS = {
    "BadAuthenticationType": ("words", ["password"]),
    "PartialAuthentication": (["password"],),
    "ChannelException": (1, "words"),
    "BadHostKeyException": ("host", paramiko.RSAKey.generate(1024), paramiko.RSAKey.generate(1024)),
    "ProxyCommandFailure": ("words", "words"),
    "NoValidConnectionsError": ({("127.0.0.1", 22): OSError(111, "refused")},),
}
ALL = [
    *(kind for _, kind in inspect.getmembers(paramiko.ssh_exception, inspect.isclass)),
    *(paramiko.SFTPError, OSError, ConnectionResetError, BrokenPipeError, TimeoutError, socket.gaierror, EOFError),
]


class Line:
    """A transport that is up, or is not."""

    def __init__(self, *, is_up: bool) -> None:
        self.is_active = lambda: is_up


@pytest.mark.parametrize("kind", [one for one in ALL if issubclass(one, Exception)])
def test_every_error_of_paramiko_s_is_one_of_ours(kind: type[Exception]) -> None:
    """Whatever paramiko raises is a lost connection where it broke, and a refusal where it did not; none escapes."""
    error = kind(*ARGUMENTS.get(kind.__name__, ("words",)))
    for is_up, expected in ((False, ConnectionLostError), (True, ProviderError)):
        with pytest.raises(expected) as caught, speaking_to(WHERE, Line(is_up=is_up)):
            raise error
        assert "me@gpu" in caught.value.message
        assert "\n" not in caught.value.message
        assert caught.value.hint


@pytest.mark.parametrize(
    "error", [OSError(113, "No route to host"), OSError(), TimeoutError(), ConnectionRefusedError()]
)
def test_every_error_of_a_socket_that_connects_is_one_of_ours(error: OSError) -> None:
    """Each says that the host cannot be reached, in one line."""
    with pytest.raises(UnreachableError, match="me@gpu"), reaching(WHERE):
        raise error


def test_a_package_that_is_missing_is_named_with_the_extra() -> None:
    """Without paramiko, the error says what to install."""
    with pytest.raises(ExtraMissingError, match="ssh needs the package plexctl_has_no_such") as caught:
        load("plexctl_has_no_such")
    assert caught.value.hint == "pip install 'plexctl[ssh]'"


def test_our_own_errors_pass_as_they_are() -> None:
    """An error that says what is wrong is not wrapped into one that says less."""
    with pytest.raises(PlexError, match=r"^mine$"), speaking_to(WHERE, Line(is_up=False)):
        raise PlexError("mine")


def say(data: bytes, *, stays: bool) -> Callable[[socket.socket], None]:
    """Return a server that says something, and then waits or hangs up."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(data)
        while stays and connection.recv(4096):
            pass

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (say(b"", stays=True), "accepts the connection and says nothing"),
        (say(b"SSH-2.0-OpenSSH_9.2\r\n", stays=True), "accepts the connection and says nothing"),
        (say(b"\xff\xfe\0 rubbish without an end", stays=True), "accepts the connection and says nothing"),
        (say(b"", stays=False), "hangs up before the login"),
        (say(b"SSH-2.0-OpenSSH_9.2\r\n", stays=False), "hangs up before the login"),
        (say(b"HTTP/1.1 400 Bad Request\r\n\r\n", stays=False), "hangs up before the login"),
        (say(b"\xff\xfe\xff\r\n" * 200, stays=True), "does not speak ssh"),
        (say(b"220 mail.example.org ESMTP\r\n" * 200, stays=True), "does not speak ssh"),
        (say(b"SSH-1.5-old\r\n", stays=True), "has no algorithm in common"),
        (say(b"SSH-2.0-x\r\n" + b"\0\0\1\0" + b"\xff" * 400, stays=True), "breaks off the key exchange"),
    ],
)
def test_who_is_no_ssh_server_is_told_apart(answer: Callable[[socket.socket], None], words: str) -> None:
    """Silence, rubbish and a hang-up each make an unreachable host, within the time limit."""
    with server_that(answer) as where, pytest.raises(UnreachableError, match=words) as caught:
        connect(Login(where, Trust(), new_key_pair("me").private), timeout_s=1)
    assert caught.value.exit_code == 8
    assert caught.value.hint


def test_a_port_where_nobody_listens_and_a_name_of_nobody_are_unreachable() -> None:
    """Both say so at once, and `is_reachable` answers without an error."""
    nobody = Destination("127.0.0.1", free_port(), "me")
    unknown, no_name = replace(nobody, host="gpu.invalid"), replace(nobody, host=f"{'a' * 64}.invalid")
    with pytest.raises(UnreachableError, match="refuses connections on port"):
        connect(Login(nobody))
    with pytest.raises(UnreachableError, match=r"no host has the name gpu\.invalid"):
        connect(Login(unknown))
    with pytest.raises(UnreachableError, match="no host has the name aaa"):
        connect(Login(no_name))
    assert not is_reachable(nobody)
    assert not is_reachable(no_name)
    assert not is_reachable(unknown)
    with server_that(say(b"", stays=False)) as somebody:
        assert is_reachable(somebody)
