"""What it takes to log in, and the same as a command line of OpenSSH's client."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from pathlib import Path

from plexctl.secret import Secret
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.trust import Trust


@dataclass(frozen=True, slots=True)
class Login:
    """Where to, whom to believe, and who one is."""

    destination: Destination
    trust: Trust = field(default_factory=Trust)
    identity: Path | Secret | None = None
    """A key's file or its text, and no other then; else the agent's keys and those of `home`/.ssh."""
    agent: str | None = None
    """The agent's socket, as SSH_AUTH_SOCK has it."""
    home: Path | None = None
    jump: Login | None = None
    """The host by way of which this one is reached."""
    passphrase: Secret | None = None
    """Of key files that have one."""


def argv(login: Login, *, known_hosts: Path, identity: Path | None) -> tuple[str, ...]:
    """Return the command line of OpenSSH's client, which believes that known_hosts file alone. Pure.

    A jump host is looked up in the same file, and where nothing of it is pinned in its own file as well. The user's
    own configuration is not read, so that a person gets to the same host as plexctl does.
    """
    files = [known_hosts]
    if not login.trust.pinned and login.trust.known_hosts is not None and login.trust.known_hosts not in files:
        files.append(login.trust.known_hosts)
    options = [
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={' '.join(_quoted(path) for path in files)}",
        "GlobalKnownHostsFile=none",
        "UpdateHostKeys=no",
        "PreferredAuthentications=publickey",
        "ConnectTimeout=15",
        "ServerAliveInterval=15",
    ]
    if identity is not None:
        options += ["IdentitiesOnly=yes", f"IdentityFile={_quoted(identity)}"]
    if login.jump is not None:
        options.append(f"ProxyCommand={_proxy(login.jump, known_hosts)}")
    where = login.destination
    user = () if where.user is None else ("-l", where.user)
    pairs = [part for option in options for part in ("-o", option)]
    return ("ssh", "-F", "none", *pairs, "-p", str(where.port), *user, "--", where.host)


def _proxy(jump: Login, known_hosts: Path) -> str:
    """Return the inner client's command line; OpenSSH hands ProxyJump's client none of the outer one's options."""
    identity = jump.identity if isinstance(jump.identity, Path) else None
    *options, dashes, host = argv(jump, known_hosts=known_hosts, identity=identity)
    inner = shlex.join([*options]).replace("%", "%%")
    return f"{inner} -W '[%h]:%p' {dashes} {shlex.quote(host).replace('%', '%%')}"


def _quoted(path: Path) -> str:
    """Quote a path for an option of OpenSSH's: spaces split, and a percent sign begins a token."""
    return '"' + str(path).replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'
