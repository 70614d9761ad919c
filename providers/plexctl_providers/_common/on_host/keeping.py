"""A deployment's own keys and pins on this computer: `PLEXCTL_HOME/ssh/<deployment id>/`, for nobody else to read.

The folder has mode 0700 and files 0600. Each file is written whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from plexctl.errors import ConfigurationError
from plexctl.folders import make_private
from plexctl.secret import Secret
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.keys import KeyPair, public_half
from plexctl_providers._common.ssh.known_hosts import text_for

_KEY, _HOST_KEY, _PINS, _KNOWN_HOSTS = "key", "host_key", "pins", "known_hosts"
_PUBLIC = ".pub"


@dataclass(frozen=True, slots=True)
class Keys:
    """The folder of one deployment. Raises ConfigurationError for what cannot be read or written."""

    folder: Path

    @property
    def identity(self) -> Path:
        """The file of the private key that logs in, for OpenSSH."""
        return self.folder / _KEY

    def pair(self) -> KeyPair | None:
        """Return the key that logs in, None where this computer has none."""
        return self._pair(_KEY)

    def keep_pair(self, pair: KeyPair) -> None:
        """Keep the key that logs in."""
        self._keep(_KEY, pair)

    def host_pair(self) -> KeyPair | None:
        """Return the host key that is injected into a new machine; None once it was rotated away."""
        return self._pair(_HOST_KEY)

    def keep_host_pair(self, pair: KeyPair) -> None:
        """Keep the host key for a new machine, and pin it."""
        self.pin(pair.public)
        self._keep(_HOST_KEY, pair)

    def forget_host_pair(self) -> None:
        """Delete the injected host key, which no host has any more."""
        for name in (_HOST_KEY, _HOST_KEY + _PUBLIC):
            (self.folder / name).unlink(missing_ok=True)

    def pins(self) -> tuple[str, ...]:
        """Return the public host keys that are believed: one, or two while the key is being made anew."""
        text = self._read(_PINS)
        return () if text is None else tuple(text.splitlines())

    def pin(self, *keys: str) -> None:
        """Believe these public host keys from now on, and no other."""
        self._write(_PINS, "".join(f"{public_half(key)}\n" for key in keys))

    def known_hosts(self, destination: Destination, keys: tuple[str, ...] = ()) -> Path:
        """Write these keys, or else the pins, as OpenSSH's known_hosts for a destination; return the file."""
        self._write(_KNOWN_HOSTS, text_for(destination, keys or self.pins()))
        return self.folder / _KNOWN_HOSTS

    def remove(self) -> None:
        """Remove the folder; missing already is success."""
        try:
            shutil.rmtree(self.folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise _refused(self.folder, error) from error

    def _pair(self, name: str) -> KeyPair | None:
        private, public = self._read(name), self._read(name + _PUBLIC)
        return None if not private or not public else KeyPair(Secret(private), public.strip())

    def _keep(self, name: str, pair: KeyPair) -> None:
        # The public half last: a pair is there when both halves are.
        (self.folder / (name + _PUBLIC)).unlink(missing_ok=True)
        self._write(name, pair.private.reveal())
        self._write(name + _PUBLIC, f"{pair.public}\n")

    def _read(self, name: str) -> str | None:
        try:
            return (self.folder / name).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise _refused(self.folder / name, error) from error

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        draft = path.with_name(f"{name}.{os.getpid()}.new")
        try:
            make_private(self.folder)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            raise _refused(path, error) from error


def keys_of(home: Path, deployment_id: str) -> Keys:
    """Return the folder of a deployment; nothing is made yet."""
    return Keys(home / "ssh" / deployment_id)


def _refused(path: Path, error: Exception) -> ConfigurationError:
    why = error.strerror if isinstance(error, OSError) else "it is no text"
    return ConfigurationError(f"{path} cannot be used: {why}", hint="make it readable and writable for you alone")
