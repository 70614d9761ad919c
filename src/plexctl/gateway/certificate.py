"""A key and a certificate for one run of the gateway: made at start, trusted by nobody but who has its fingerprint.

The `openssl` command makes them, because the standard library cannot. The `cryptography` package could, but is a
compiled dependency with two of its own for one call at start; `openssl` is in the image's base already, since Debian's
ca-certificates depends on it. `openssl ca` and not `openssl req -x509`: before OpenSSL 3.4 only `ca` takes the moment
from which a certificate is valid, and a clock that is a little slow must not refuse it.
The key is P-256. It lies for a moment in a folder that only this user can read, and is gone once it is loaded.
"""

from __future__ import annotations

import hashlib
import secrets
import shutil
import ssl
import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from plexctl.gateway.environment import SettingsError

_LIMIT_S = 30.0
_BEFORE = timedelta(days=1)
_VALID = timedelta(days=825)
"""The longest that Apple's systems take; each start makes a new one."""
_KEY, _REQUEST, _CERTIFICATE, _CONFIGURATION_FILE = "key.pem", "request.pem", "certificate.pem", "openssl.cnf"
_CONFIGURATION = """\
[ req ]
prompt = no
distinguished_name = subject
[ subject ]
CN = plexctl
[ ca ]
default_ca = own
[ own ]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = policy
x509_extensions = extensions
[ policy ]
commonName = supplied
[ extensions ]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
"""
"""What the certificate says: no name of a machine, no address that anybody has, no right to sign others."""


class CertificateError(SettingsError):
    """No certificate could be made; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the gateway shows to its callers over TLS."""

    context: ssl.SSLContext
    fingerprint: str
    """SHA-256 of the certificate in DER: 64 lower-case hexadecimal digits."""

    @property
    def line(self) -> str:
        """The one line of standard output by which a provider's log tells what to trust."""
        return f"plexctl: tls sha256:{self.fingerprint}\n"


def self_signed(*, now: datetime | None = None) -> Identity:
    """Make a key and its certificate, valid from a day before `now`. Raises CertificateError."""
    command = shutil.which("openssl")
    if command is None:
        raise CertificateError(
            "PLEXCTL_TLS=self-signed needs the openssl command, which is not here: "
            "install openssl, or leave PLEXCTL_TLS out"
        )
    try:
        with tempfile.TemporaryDirectory(prefix="plexctl-tls-") as name:
            folder = Path(name)
            _make(command, folder, now or datetime.now(UTC))
            context = server_context(folder / _CERTIFICATE, folder / _KEY)
            der = ssl.PEM_cert_to_DER_cert((folder / _CERTIFICATE).read_text(encoding="ascii"))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise CertificateError(f"PLEXCTL_TLS=self-signed: no certificate could be made: {_why(error)}") from error
    return Identity(context, hashlib.sha256(der).hexdigest())


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """Return a server's context: TLS 1.2 and later, HTTP/1.1 only, no renegotiation."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context


def commands(openssl: str, now: datetime) -> tuple[tuple[str, ...], ...]:
    """Return the two commands that make key and certificate in the folder that they run in."""
    shared = ("-config", _CONFIGURATION_FILE)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", _KEY)
    span = ("-startdate", _moment(now - _BEFORE), "-enddate", _moment(now + _VALID))
    files = ("-keyfile", _KEY, "-in", _REQUEST, "-out", _CERTIFICATE)
    return (
        (openssl, "req", "-new", *shared, *key, "-out", _REQUEST),
        (openssl, "ca", "-selfsign", "-batch", "-notext", *shared, *span, *files),
    )


def _make(openssl: str, folder: Path, now: datetime) -> None:
    (folder / _CONFIGURATION_FILE).write_text(_CONFIGURATION, encoding="ascii")
    (folder / "index").touch()
    (folder / "serial").write_text(f"{secrets.token_hex(16)}\n", encoding="ascii")
    for argv in commands(openssl, now):
        subprocess.run(
            argv, cwd=folder, env={}, check=True, timeout=_LIMIT_S, stdin=subprocess.DEVNULL, capture_output=True
        )


def _moment(moment: datetime) -> str:
    return f"{moment:%y%m%d%H%M%SZ}"


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError):
        lines = error.stderr.decode(errors="replace").split("\n")
        said = next((line.strip() for line in lines if "error" in line.lower()), "it gave no reason")
        return f"openssl exited with {error.returncode}: {said}"
    return str(error)
