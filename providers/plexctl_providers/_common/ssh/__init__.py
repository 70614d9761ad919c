"""Hosts reached by ssh: whom to believe, how to log in, commands, files and tunnels; paramiko is behind all of it."""

from plexctl_providers._common.ssh.connection import Connection, connect, is_reachable
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import (
    ChangedHostKeyError,
    CommandFailedError,
    CommandTimeoutError,
    ConnectionLostError,
    LoginRefusedError,
    UnknownHostKeyError,
    UnreachableError,
)
from plexctl_providers._common.ssh.forwarding import forwarded
from plexctl_providers._common.ssh.keys import KeyPair, fingerprint, key_hash, key_words, new_key_pair, public_half
from plexctl_providers._common.ssh.known_hosts import text_for
from plexctl_providers._common.ssh.login import Login, argv
from plexctl_providers._common.ssh.running import Finished
from plexctl_providers._common.ssh.sudo import Sudo, sudo_for
from plexctl_providers._common.ssh.trust import Trust

__all__ = [
    "ChangedHostKeyError",
    "CommandFailedError",
    "CommandTimeoutError",
    "Connection",
    "ConnectionLostError",
    "Destination",
    "Finished",
    "KeyPair",
    "Login",
    "LoginRefusedError",
    "Sudo",
    "Trust",
    "UnknownHostKeyError",
    "UnreachableError",
    "argv",
    "connect",
    "fingerprint",
    "forwarded",
    "is_reachable",
    "key_hash",
    "key_words",
    "new_key_pair",
    "public_half",
    "sudo_for",
    "text_for",
]
