"""Whom a TLS connection believes, as data: the system's roots, one CA file, or one pinned certificate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from plexctl.errors import UsageError

if TYPE_CHECKING:
    import ssl

_SHA256_HEX = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Trust:
    """At most one of `cacert` (PEM file) and `fingerprint` (SHA-256 of the DER certificate, 64 lower-case digits)."""

    cacert: Path | None = None
    fingerprint: str | None = None

    @classmethod
    def of(cls, cacert: Path | None = None, fingerprint: str | None = None) -> Trust:
        """Check what a user wrote: `sha256:` prefix, colons and capitals are fine. Raises UsageError."""
        if cacert is not None and fingerprint is not None:
            raise UsageError("a CA file and a fingerprint exclude each other", hint="give only one of them")
        if fingerprint is None:
            return cls(cacert)
        digits = fingerprint.strip().lower().removeprefix("sha256").lstrip(":= ").replace(":", "")
        digits = digits.removeprefix("fingerprint=")
        if not _SHA256_HEX.fullmatch(digits):
            raise UsageError(
                "a fingerprint is 64 hexadecimal digits of SHA-256",
                hint="see it with: openssl x509 -noout -fingerprint -sha256 -in cert.pem",
            )
        return cls(fingerprint=digits)


SYSTEM = Trust()
"""The roots that the operating system trusts."""


@lru_cache(maxsize=8)
def tls_context(trust: Trust) -> ssl.SSLContext:
    """Return the context for a trust; a pin is compared after the handshake, before anything is sent.

    Raises UsageError for a CA file that cannot be read.
    """
    import ssl

    if trust.fingerprint is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        return ssl.create_default_context(cafile=trust.cacert)
    except (OSError, ssl.SSLError) as error:
        raise UsageError(
            f"{trust.cacert} holds no CA certificate that can be read ({error})",
            hint="--cacert takes a PEM file",
        ) from error
