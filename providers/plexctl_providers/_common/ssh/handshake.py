"""From a socket to a session: the key exchange, the check of the host's key, and the login, each with a time limit."""

from __future__ import annotations

import threading
import time
from typing import Any

from plexctl.errors import ConfigurationError
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import ConnectionLostError, LoginRefusedError, UnreachableError
from plexctl_providers._common.ssh.identities import Identity, identities
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.trust import check_host_key, known_of
from plexctl_providers._common.ssh.vendor import foreign_errors, load_paramiko

_RSA = ("rsa-sha2-512", "rsa-sha2-256")


def log_in(login: Login, stream: Any, timeout_s: float) -> tuple[Any, str]:
    """Return paramiko's transport, logged in, and the public key that the host showed and that is believed.

    `stream` is a connected socket or a channel of a jump host; it is closed when this fails. Raises ConfigurationError,
    CredentialsError, ProviderError.
    """
    paramiko = load_paramiko()
    try:
        transport = paramiko.Transport(stream)
    except BaseException:
        stream.close()
        raise
    for limit in ("banner_timeout", "handshake_timeout", "auth_timeout", "channel_timeout"):
        setattr(transport, limit, timeout_s)
    try:
        known = known_of(login.trust, login.destination)
        _ask_for(transport, known.kinds())
        shown = _exchange_keys(transport, login.destination, timeout_s)
        check_host_key(login.trust, known, login.destination, shown)
        with identities(login) as mine:
            _authenticate(transport, login.destination, mine, timeout_s)
    except BaseException:
        transport.close()
        stream.close()  # which a transport that was never started leaves open
        raise
    return transport, shown


def _ask_for(transport: Any, kinds: tuple[str, ...]) -> None:
    """Ask for keys of known types first: a host has several, and shows the one that is asked for."""
    options = transport.get_security_options()
    wanted = [name for kind in kinds for name in (_RSA if kind == "ssh-rsa" else (kind,))]
    first = [name for name in wanted if name in options.key_types]
    options.key_types = (*first, *(name for name in options.key_types if name not in first))


def _exchange_keys(transport: Any, destination: Destination, timeout_s: float) -> str:
    """Return the public key with which the host signed the exchange. Raises UnreachableError."""
    done = threading.Event()
    transport.start_client(event=done)
    if done.wait(timeout_s) and transport.is_active():
        key = transport.host_key  # get_remote_server_key raises once the connection ended since
        return f"{key.get_name()} {key.get_base64()}"
    error = transport.get_exception()
    words, hint = _why(transport.remote_version, error)
    raise UnreachableError(f"{destination} {words}", hint=hint) from error


def _why(greeting: str, error: BaseException | None) -> tuple[str, str]:
    """Say what kept a key exchange from its end, and what to look at; `error` is None when time ran out."""
    paramiko = load_paramiko()
    cause = error if error is None or error.__context__ is None else error.__context__
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return "has no algorithm in common with plexctl", "its ssh server may be years old"
    if cause is None or isinstance(cause, TimeoutError):
        return "accepts the connection and says nothing", "it may be overloaded, or starting: try again"
    if isinstance(cause, EOFError | ConnectionError):
        return "hangs up before the login", "is that the port of sshd? It may be starting, or keep this computer out"
    if greeting:
        return "breaks off the key exchange", "its ssh server may be broken"
    return "does not speak ssh", "is that the port of its ssh server?"


def _authenticate(transport: Any, destination: Destination, mine: list[Identity], timeout_s: float) -> None:
    """Show the keys, one after the other, until one is taken."""
    paramiko = load_paramiko()
    user = destination.user or _own_name()
    for count, identity in enumerate(mine, start=1):
        began = time.monotonic()
        try:
            further = transport.auth_publickey(user, identity.key)
        except paramiko.BadAuthenticationType as error:
            allowed = " or ".join(error.allowed_types) or "nothing"
            words = f"{destination} lets {user} in by {allowed} only, not by a key"
            raise LoginRefusedError(words, hint="allow PubkeyAuthentication in its sshd_config") from error
        except foreign_errors() as error:
            if time.monotonic() - began >= timeout_s:
                raise UnreachableError(f"{destination} does not answer the login", hint="try again") from error
            if not transport.is_active():
                raise _cut(destination, user, mine[:count]) from error
            continue
        if further:
            words = f"{destination} wants more than a key of {user}: {', '.join(sorted(further))}"
            raise LoginRefusedError(words, hint="plexctl logs in by key alone")
        return
    raise _refused(destination, user, mine)


def _refused(destination: Destination, user: str, shown: list[Identity]) -> LoginRefusedError:
    names = ", ".join(identity.name for identity in shown)
    hint = (
        f"is {user} the right user (user@host), and is one of these in its ~/.ssh/authorized_keys? "
        "--identity names another key"
    )
    return LoginRefusedError(f"{destination} refuses {user} with the key {names}", hint=hint)


def _cut(destination: Destination, user: str, shown: list[Identity]) -> LoginRefusedError | ConnectionLostError:
    """Say what it means that the host hung up in the middle of a login: too many keys, where there were several."""
    if len(shown) == 1:
        hint = "try again; a host that allows one try refuses a key like this"
        return ConnectionLostError(f"{destination} hung up while {user} logged in", hint=hint)
    words = f"{destination} hung up after {len(shown)} keys for {user}"
    return LoginRefusedError(words, hint="name the right key's file with --identity, so that no other is shown")


def _own_name() -> str:
    """Return this computer's name for who runs plexctl, as OpenSSH takes it where none is named."""
    try:
        import pwd
        from os import getuid

        return pwd.getpwuid(getuid()).pw_name
    except (ImportError, KeyError) as error:
        raise ConfigurationError("no user is named for the host", hint="name it: user@host") from error
