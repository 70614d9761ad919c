"""What can go wrong between here and a host, and a total map of paramiko's and the socket's errors."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from plexctl.errors import CredentialsError, ProviderError
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.vendor import foreign_errors


class UnknownHostKeyError(CredentialsError):
    """Nobody said which key this host has."""


class ChangedHostKeyError(CredentialsError):
    """The host shows another key than the one that is known, or one that was revoked."""


class LoginRefusedError(CredentialsError):
    """The host lets this user in with none of the keys, or there is no key to show."""


class UnreachableError(ProviderError):
    """No connection: refused, timed out, no such name, or nobody there who speaks ssh."""


class ConnectionLostError(ProviderError):
    """The connection broke while it was used; what was under way on the host may go on there."""


class CommandTimeoutError(ProviderError):
    """A command did not end within its time; it may go on there."""


class CommandFailedError(ProviderError):
    """A command whose output was wanted ended with an error."""


@contextmanager
def speaking_to(destination: Destination, transport: Any) -> Iterator[None]:
    """Turn every error of paramiko's and of the socket into one of plexctl's, for a connection that was up."""
    try:
        yield
    except foreign_errors() as error:
        # What cannot be written any more is lost, though paramiko's own thread may not have noticed yet.
        if isinstance(error, EOFError | ConnectionError) or not transport.is_active():
            raise lost(destination) from error
        hint = "its sshd_config may limit sessions (MaxSessions) or commands (ForceCommand)"
        raise ProviderError(f"sshd on {destination} refuses what is asked of it", hint=hint) from error


def lost(destination: Destination) -> ConnectionLostError:
    """Say that a connection broke."""
    return ConnectionLostError(f"the connection to {destination} broke", hint="run the same command again")


@contextmanager
def reaching(destination: Destination) -> Iterator[None]:
    """Turn every error of a socket that is being connected into UnreachableError."""
    try:
        yield
    except (socket.gaierror, UnicodeError) as error:
        raise UnreachableError(f"no host has the name {destination.host}", hint="check how it is spelt") from error
    except TimeoutError as error:
        raise UnreachableError(
            f"{destination} does not answer on port {destination.port}",
            hint="is it running, and does its firewall let this computer in?",
        ) from error
    except ConnectionRefusedError as error:
        raise UnreachableError(
            f"{destination} refuses connections on port {destination.port}",
            hint="is sshd running there, and is the port right?",
        ) from error
    except OSError as error:
        raise UnreachableError(f"{destination} cannot be reached: {error.strerror or 'network error'}") from error
