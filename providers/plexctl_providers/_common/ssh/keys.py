"""Key pairs, and how people and known_hosts files name the public half."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from plexctl.errors import ConfigurationError
from plexctl.secret import Secret
from plexctl_providers._common.ssh.vendor import load

_SHORT_NAMES = {"ssh-ed25519": "ED25519", "ssh-rsa": "RSA"}
_HASH_DIGITS = 16


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key as OpenSSH's PEM text, without a passphrase, and its public half: type, base64, comment."""

    private: Secret
    public: str


def new_key_pair(comment: str) -> KeyPair:
    """Make an ed25519 pair. Raises ExtraMissingError without the package `cryptography`."""
    serialization = load("cryptography.hazmat.primitives.serialization")
    ed25519 = load("cryptography.hazmat.primitives.asymmetric.ed25519")
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return KeyPair(Secret(private.decode()), f"{public.decode()} {comment}".rstrip())


def public_half(public: str) -> str:
    """Return type and base64 of a public key's line, without its comment. Raises ConfigurationError for other text."""
    kind, _, rest = public.strip().partition(" ")
    encoded = rest.strip().partition(" ")[0]
    _blob(kind, encoded)
    return f"{kind} {encoded}"


def fingerprint(public: str) -> str:
    """Return `SHA256:...` of a public key's line, as `ssh-keygen -l` shows it. Raises ConfigurationError."""
    digest = hashlib.sha256(_blob(*public_half(public).split(" "))).digest()
    return f"SHA256:{base64.b64encode(digest).decode().rstrip('=')}"


def key_hash(public: str) -> str:
    """Return 16 hex digits of the SHA-256 of a public key's type and base64, for names. Raises ConfigurationError."""
    return hashlib.sha256(public_half(public).encode()).hexdigest()[:_HASH_DIGITS]


def key_words(public: str) -> str:
    """Return a public key as people compare it, such as `ED25519 SHA256:...`."""
    kind = public.partition(" ")[0]
    short = "ECDSA" if kind.startswith("ecdsa-") else _SHORT_NAMES.get(kind, kind)
    return f"{short} {fingerprint(public)}"


def _blob(kind: str, encoded: str) -> bytes:
    """Return the key's own bytes, which begin with its type (RFC 4253, section 6.6)."""
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        blob = b""
    name = kind.encode()
    if not name or not blob.startswith(len(name).to_bytes(4, "big") + name):
        raise ConfigurationError("that is no public key of ssh", hint="it looks like `ssh-ed25519 AAAA...`")
    return blob
