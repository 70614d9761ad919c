"""A deployment's own keys and pins on this computer: `PLEXCTL_HOME/ssh/<deployment id>/`, for nobody else to read.

The folder has mode 0700 and files 0600. Each file is written whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plexctl.secret import Secret
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.keys import KeyPair


@dataclass(frozen=True, slots=True)
class Keys:
    """The folder of one deployment."""

    folder: Path

    def pair(self) -> KeyPair | None:
        """Return the key that logs in, None where this computer has none."""
        raise NotImplementedError

    def keep_pair(self, pair: KeyPair) -> None:
        """Keep the key that logs in."""
        raise NotImplementedError

    def host_pair(self) -> KeyPair | None:
        """Return the host key that is injected into a new machine; None once it was rotated away."""
        raise NotImplementedError

    def keep_host_pair(self, pair: KeyPair) -> None:
        """Keep the host key for a new machine, and pin it."""
        raise NotImplementedError

    def pins(self) -> tuple[str, ...]:
        """Return the public host keys that are believed: one, or two while the key is being made anew."""
        raise NotImplementedError

    def pin(self, *keys: str) -> None:
        """Believe these public host keys from now on, and no other."""
        raise NotImplementedError

    def known_hosts(self, destination: Destination) -> Path:
        """Write the pins as OpenSSH's known_hosts for a destination; return the file."""
        raise NotImplementedError

    def remove(self) -> None:
        """Remove the folder; missing already is success."""
        raise NotImplementedError


def keys_of(home: Path, deployment_id: str) -> Keys:
    """Return the folder of a deployment; nothing is made yet."""
    return Keys(home / "ssh" / deployment_id)
