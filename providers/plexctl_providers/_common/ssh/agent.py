"""The user's ssh agent, at the socket that one is told: paramiko alone would look into the process's environment."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from typing import Any

from plexctl_providers._common.ssh.vendor import load, load_paramiko

_PATIENCE_S = 30.0
"""For one answer: a key may wait for somebody's finger."""
_USABLE = ("ssh-ed25519", "ecdsa-sha2-", "ssh-rsa", "rsa-sha2-")


@contextlib.contextmanager
def agent_keys(path: str | None) -> Iterator[list[Any]]:
    """Give the keys that an agent holds and paramiko can use, as long as the context lasts; none where none answers."""
    if path is None or not hasattr(socket, "AF_UNIX"):
        yield []
        return
    paramiko = load_paramiko()
    agent = load("paramiko.agent").AgentSSH()
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)) as connection:
        connection.settimeout(_PATIENCE_S)
        with contextlib.suppress(OSError, paramiko.SSHException):
            connection.connect(path)
            agent._connect(connection)  # noqa: SLF001 - the public way takes the socket from os.environ
        yield [key for key in agent.get_keys() if key.get_name().startswith(_USABLE)]
