"""Private keys as files and texts: their public half, which is readable without a passphrase, and paramiko's object."""

from __future__ import annotations

import base64
import binascii
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plexctl.errors import ConfigurationError
from plexctl.secret import Secret
from plexctl_providers._common.ssh.errors import LoginRefusedError
from plexctl_providers._common.ssh.keys import public_half
from plexctl_providers._common.ssh.vendor import load, load_paramiko

_ARMOUR = re.compile(r"-----BEGIN OPENSSH PRIVATE KEY-----(.*?)-----END OPENSSH PRIVATE KEY-----", re.DOTALL)
_MAGIC = b"openssh-key-v1\0"
_OTHERS = 0o077


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as it is kept: its text, what people call it, and what can be read of it as it is."""

    name: str
    text: Secret
    public: str | None
    """The public half, where the text or a `.pub` file beside it tells."""
    is_encrypted: bool
    is_public_only: bool = False


def read_key_file(path: Path) -> KeyText:
    """Read a key file, which nobody else may read, as OpenSSH asks. Raises LoginRefusedError."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        mode = path.stat()
        beside = Path(f"{path}.pub")
        public = beside.read_text(encoding="utf-8", errors="replace") if beside.is_file() else ""
    except FileNotFoundError as error:
        raise LoginRefusedError(f"there is no key file {path}", hint="name another one with --identity") from error
    except OSError as error:
        words = f"the key file {path} cannot be read: {error.strerror}"
        raise LoginRefusedError(words, hint="name another one with --identity") from error
    key = describe(str(path), Secret(text), public)
    is_mine = hasattr(os, "getuid") and mode.st_uid == os.getuid()
    if is_mine and mode.st_mode & _OTHERS and not key.is_public_only:
        words = f"the key file {path} can be read by others (mode {mode.st_mode & 0o777:04o})"
        raise LoginRefusedError(words, hint=f"chmod 600 {path}")
    return key


def describe(name: str, text: Secret, beside: str = "") -> KeyText:
    """Say what can be read of a key's text without a passphrase; `beside` is the public half's own file."""
    plain = text.reveal()
    if (public := _public_line(plain)) is not None:
        return KeyText(name, text, public, is_encrypted=False, is_public_only=True)
    cipher, inside = _header(plain)
    is_encrypted = cipher != b"none" if cipher else "ENCRYPTED" in plain
    return KeyText(name, text, inside or _public_line(beside), is_encrypted)


def private_key(key: KeyText, passphrase: Secret | None) -> Any:
    """Return paramiko's object. Raises LoginRefusedError for a passphrase that is missing or wrong, or for no key."""
    if key.is_encrypted and not passphrase:
        hint = f"`ssh-add {key.name}` gives it to the agent, which plexctl asks"
        raise LoginRefusedError(f"the key {key.name} has a passphrase", hint=hint)
    password = passphrase.reveal().encode() if key.is_encrypted and passphrase else None
    plain = _decrypted(key, password)
    paramiko = load_paramiko()
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        if key_type(plain).startswith(_PREFIXES[kind.__name__]):
            return kind.from_private_key(io.StringIO(plain))
    raise LoginRefusedError(f"the key {key.name} is of a type that plexctl cannot use", hint="use an ed25519 key")


_PREFIXES = {"Ed25519Key": "ssh-ed25519", "ECDSAKey": "ecdsa-", "RSAKey": "ssh-rsa"}


def key_type(text: str) -> str:
    """Return the type that a key in OpenSSH's own format has, or nothing."""
    return (_header(text)[1] or "").partition(" ")[0]


def _decrypted(key: KeyText, password: bytes | None) -> str:
    """Return a key of any format as OpenSSH's own, without a passphrase: paramiko does not read all of them."""
    serialization = load("cryptography.hazmat.primitives.serialization")
    data = key.text.reveal().encode()
    read = (
        serialization.load_ssh_private_key if _ARMOUR.search(key.text.reveal()) else serialization.load_pem_private_key
    )
    try:
        loaded = read(data, password)
        text: bytes = loaded.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
    except Exception:  # noqa: BLE001 - cryptography raises half a dozen of its own, and its words may quote the key
        words = "does not open with this passphrase" if key.is_encrypted else "is no private key that can be read"
        raise LoginRefusedError(f"the key {key.name} {words}", hint="name another one with --identity") from None
    return text.decode()


def _public_line(text: str) -> str | None:
    try:
        return public_half(text)
    except ConfigurationError:
        return None


def _header(text: str) -> tuple[bytes, str | None]:
    """Return the cipher and the public half, which OpenSSH's format (PROTOCOL.key) keeps in the clear."""
    found = _ARMOUR.search(text)
    try:
        data = base64.b64decode("".join(found[1].split())) if found else b""
    except (binascii.Error, ValueError):
        data = b""
    if not data.startswith(_MAGIC):
        return b"", None
    cipher, rest = _string(data[len(_MAGIC) :])
    for _ in range(2):  # the key derivation's name and options
        _, rest = _string(rest)
    blob, _ = _string(rest[4:])  # behind the number of keys, which is one
    kind, _ = _string(blob)
    return cipher, _public_line(f"{kind.decode(errors='replace')} {base64.b64encode(blob).decode()}")


def _string(data: bytes) -> tuple[bytes, bytes]:
    end = 4 + int.from_bytes(data[:4], "big")
    return data[4:end], data[end:]
