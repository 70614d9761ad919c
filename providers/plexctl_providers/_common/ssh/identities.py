"""The keys that are shown to a host, in order, and what kept others from being shown."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plexctl.secret import Secret
from plexctl_providers._common.ssh.agent import agent_keys
from plexctl_providers._common.ssh.errors import LoginRefusedError
from plexctl_providers._common.ssh.key_files import KeyText, describe, private_key, read_key_file
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.vendor import load_paramiko

DEFAULTS = ("id_ed25519", "id_ecdsa", "id_rsa")
"""Files in ~/.ssh that are looked for where no other is named."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A key that can sign, and what people call it."""

    name: str
    key: Any


@contextmanager
def identities(login: Login) -> Iterator[list[Identity]]:
    """Give the keys to show, for as long as the context lasts. Raises LoginRefusedError when there is none."""
    with agent_keys(login.agent) as held:
        if isinstance(login.identity, Secret):
            named = describe("of this deployment", login.identity)
            yield [Identity(named.name, private_key(named, login.passphrase))]
        elif login.identity is not None:
            yield [_from_file(_expanded(login.identity, login.home), held, login.passphrase)]
        else:
            yield _all(login, held)


def _from_file(path: Path, held: list[Any], passphrase: Secret | None) -> Identity:
    """Return the key of a file; the agent's, where the file is closed or public and the agent holds the key."""
    key = read_key_file(path)
    if key.is_public_only or (key.is_encrypted and not passphrase):
        for one in held:
            if _public_of(one) == key.public:
                return Identity(f"{path} (agent)", one)
    if key.is_public_only:
        raise LoginRefusedError(f"{path} is a public key, and the agent has no private one", hint=f"ssh-add {path}")
    return Identity(str(path), _with_certificate(private_key(key, passphrase), path))


def _all(login: Login, held: list[Any]) -> list[Identity]:
    found = [Identity(f"{one.comment or one.get_name()} (agent)", one) for one in held]
    shown = {_public_of(one) for one in held}
    obstacles: list[LoginRefusedError] = []
    for path in [] if login.home is None else [login.home / ".ssh" / name for name in DEFAULTS]:
        if not path.is_file():
            continue
        try:
            key: KeyText = read_key_file(path)
            if key.public not in shown:
                found.append(Identity(str(path), _with_certificate(private_key(key, login.passphrase), path)))
        except LoginRefusedError as error:
            obstacles.append(error)
    if not found:
        words = "; ".join(one.message for one in obstacles) or "no agent has a key, and there is no key file"
        hint = obstacles[0].hint if obstacles else "name a key's file with --identity"
        raise LoginRefusedError(f"no key to log in to {login.destination} with: {words}", hint=hint)
    return found


def _with_certificate(key: Any, path: Path) -> Any:
    """Add the certificate that lies beside a key's file, as OpenSSH does."""
    certificate = Path(f"{path}-cert.pub")
    if certificate.is_file():
        paramiko = load_paramiko()
        try:
            key.load_certificate(str(certificate))
        except (paramiko.SSHException, OSError, ValueError) as error:
            words = f"{certificate} is no certificate of the key beside it"
            raise LoginRefusedError(words, hint="remove it, or make it anew") from error
    return key


def _public_of(key: Any) -> str:
    return f"{key.get_name()} {base64.b64encode(key.asbytes()).decode()}"


def _expanded(path: Path, home: Path | None) -> Path:
    parts = path.parts
    return home.joinpath(*parts[1:]) if home is not None and parts[:1] == ("~",) else path
