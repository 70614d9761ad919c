"""What the operating system's and OpenSSL's errors mean: one total function for each stage. No I/O."""

from __future__ import annotations

import errno
import socket
import ssl
from typing import Any

from plexctl.wire.endpoint import Endpoint
from plexctl.wire.stages import WireError

_NO_SUCH_NAME = frozenset(getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA") if hasattr(socket, name))
_CERTIFICATE = {
    9: ("expired", "is not valid yet: is the clock right?"),
    10: ("expired", "has expired"),
    18: ("self_signed", "is self-signed"),
    19: ("self_signed", "is signed by a CA of its own"),
    62: ("wrong_host", "was made for another host"),
    64: ("wrong_host", "was made for another address"),
}
"""X509_V_ERR codes (openssl, include/openssl/x509_vfy.h) -> outcome and words; any other is `untrusted`."""
_NOT_TLS = frozenset(
    {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
)


def dns_failure(host: str, error: Exception) -> WireError:
    """Return what a failed resolution means: `name_not_found` or `no_answer`."""
    if isinstance(error, UnicodeError) or (isinstance(error, OSError) and error.errno in _NO_SUCH_NAME):
        return WireError("dns", "name_not_found", f"there is no host {host}", hint="check the spelling")
    return WireError("dns", "no_answer", f"the name server said nothing about {host}: {error}")


def tcp_failure(address: Any, error: OSError) -> WireError:
    """Return what a failed connection means: `refused`, `timeout` or `unreachable`."""
    where = f"{address[0]} port {address[1]}"
    if isinstance(error, ConnectionRefusedError):
        hint = "a PersonaPlex server opens its port only when the model is loaded"
        return WireError("tcp", "refused", f"nothing listens at {where}", hint=hint)
    if isinstance(error, TimeoutError) or error.errno == errno.ETIMEDOUT:
        return WireError("tcp", "timeout", f"{where} does not answer: a firewall, or no such machine")
    return WireError("tcp", "unreachable", f"no way to {where}: {error.strerror or error}")


def tls_failure(endpoint: Endpoint, error: Exception) -> WireError:
    """Return what a failed TLS handshake means."""
    if isinstance(error, ssl.SSLCertVerificationError):
        outcome, words = _CERTIFICATE.get(error.verify_code, ("untrusted", f"is not trusted: {error.verify_message}"))
        hint = "trust it with --cacert FILE or --fingerprint SHA256" if outcome != "expired" else None
        return WireError("tls", outcome, f"the certificate of {endpoint.host} {words}", hint=hint)
    if isinstance(error, ssl.SSLError) and error.reason in _NOT_TLS:
        plain = f"{endpoint.host} port {endpoint.port} answers, but not in TLS"
        return WireError("tls", "not_tls", plain, hint=f"use http://{endpoint.authority} if that is right")
    if isinstance(error, ssl.SSLError):
        return WireError("tls", "failed", f"no TLS with {endpoint.host}: {error.reason or error}")
    return WireError("tls", "closed", f"{endpoint.host} hung up during the TLS handshake: does it speak TLS?")
