"""Whom a connection believes. A key that nobody vouched for is never believed, and never added anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from plexctl.errors import ConfigurationError
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import ChangedHostKeyError, UnknownHostKeyError
from plexctl_providers._common.ssh.keys import fingerprint, key_words, public_half
from plexctl_providers._common.ssh.known_hosts import AUTHORITY, REVOKED, Entry, parse


@dataclass(frozen=True, slots=True)
class Trust:
    """Pinned keys and nothing else where there are any; else a known_hosts file, else fingerprints of the user's."""

    pinned: tuple[str, ...] = ()
    """Public keys (`ssh-ed25519 AAAA...`), each believed."""
    known_hosts: Path | None = None
    """The user's own file; one that is not there knows no host."""
    accepted: tuple[str, ...] = ()
    """Fingerprints (`SHA256:...`) that the user accepts for a host that known_hosts does not know."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a trust says of one host."""

    keys: tuple[str, ...] = ()
    """Public halves of which the host must show one."""
    elsewhere: tuple[str, ...] = ()
    """Those of the same host on port 22: OpenSSH believes an equal key, and a different one says nothing."""
    revoked: tuple[str, ...] = ()
    has_authority: bool = False
    """A certificate authority vouches for it, which paramiko cannot check."""

    def kinds(self) -> tuple[str, ...]:
        """Return the types of the known keys, to ask the host for those first."""
        return tuple(dict.fromkeys(key.split(" ")[0] for key in (*self.keys, *self.elsewhere)))


def known_of(trust: Trust, destination: Destination) -> Known:
    """Look up what is known of a host. Raises ConfigurationError for an unreadable file, or a pin that is none."""
    if trust.pinned:
        return Known(keys=tuple(public_half(key) for key in trust.pinned))
    entries = _read(trust.known_hosts)
    mine = [entry for entry in entries if entry.is_for(destination.name)]
    plain = [entry for entry in entries if entry.is_for(destination.host.lower())]
    return Known(
        keys=_keys(mine, ""),
        elsewhere=_keys(plain, ""),
        revoked=(*_keys(mine, REVOKED), *_keys(plain, REVOKED)),
        has_authority=bool(_keys(mine, AUTHORITY)),
    )


def check_host_key(trust: Trust, known: Known, destination: Destination, shown: str) -> None:
    """Return when the shown public key is believed. Raises ChangedHostKeyError or UnknownHostKeyError. Pure."""
    if shown in known.revoked:
        raise ChangedHostKeyError(
            f"{destination} shows a key that known_hosts revokes: {key_words(shown)}",
            hint="somebody may be in between, or the host still uses a key that was given up: ask whoever runs it",
        )
    if shown in known.keys:
        return
    if known.keys:
        raise _changed(trust, known, destination, shown)
    if shown in known.elsewhere or fingerprint(shown) in trust.accepted:
        return
    raise _unknown(trust, known, destination, shown)


def _changed(trust: Trust, known: Known, destination: Destination, shown: str) -> ChangedHostKeyError:
    expected = " or ".join(key_words(key) for key in known.keys)
    source = "its pinned key is" if trust.pinned else "known_hosts has"
    fix = (
        "if the host was made anew, destroy and deploy again"
        if trust.pinned
        else f"if it was installed anew, compare the key there (`ssh-keygen -lf`), then `ssh-keygen -R "
        f"'{destination.name}'` forgets the old one"
    )
    return ChangedHostKeyError(
        f"{destination} shows another key than before: {key_words(shown)}, but {source} {expected}",
        hint=f"somebody may be in between; {fix}",
    )


def _unknown(trust: Trust, known: Known, destination: Destination, shown: str) -> UnknownHostKeyError:
    words = f"{destination} shows a key that known_hosts does not know: {key_words(shown)}"
    if trust.accepted:
        words += f", which is not the accepted {' or '.join(trust.accepted)}"
    if known.has_authority:
        words += " (the certificate authority in known_hosts cannot be asked)"
    kind = key_words(shown).partition(" ")[0].lower()
    own = f"`ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub` there shows it"
    hint = f"compare it with the host's own ({own}), then add `--accept-host-key {fingerprint(shown)}`"
    return UnknownHostKeyError(words, hint=hint)


def _keys(entries: list[Entry], marker: str) -> tuple[str, ...]:
    return tuple(entry.public for entry in entries if entry.marker == marker)


def _read(path: Path | None) -> list[Entry]:
    try:
        return [] if path is None else parse(path.read_text(encoding="utf-8", errors="replace"))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
