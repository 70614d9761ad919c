"""The gateway's own certificate: what it says, how long it holds, and that its key is nowhere afterwards."""

from __future__ import annotations

import hashlib
import ssl
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from plexctl.gateway.certificate import CertificateError, Identity, commands, self_signed

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def served(identity: Identity) -> bytes:
    """Return the certificate in DER that a client is shown, by a handshake in memory."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    client = asking.wrap_bio(to_client, to_server)
    server = identity.context.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, server, client):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    return client.getpeercert(binary_form=True) or b""


@pytest.fixture(scope="module")
def certificate() -> x509.Certificate:
    """Give the certificate made at NOW."""
    return x509.load_der_x509_certificate(served(self_signed(now=NOW)))


def test_the_fingerprint_is_that_of_the_certificate_in_der() -> None:
    """What plexctl pins is what callers are shown, on one line of a fixed form; each start has its own."""
    identity = self_signed()
    assert identity.fingerprint == hashlib.sha256(served(identity)).hexdigest()
    assert identity.line == f"plexctl: tls sha256:{identity.fingerprint}\n"
    assert self_signed().fingerprint != identity.fingerprint


def test_it_holds_from_a_day_ago_for_825_days(certificate: x509.Certificate) -> None:
    """A clock that is a little slow does not refuse it; Apple's systems take no longer one."""
    assert certificate.not_valid_before_utc == NOW - timedelta(days=1)
    assert certificate.not_valid_after_utc == NOW + timedelta(days=825)


def test_it_is_p256_and_says_nothing_of_its_machine(certificate: x509.Certificate) -> None:
    """Its names are those of any loopback, and it can sign no other certificate."""
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert key.curve.name == "secp256r1"
    assert certificate.subject.rfc4514_string() == certificate.issuer.rfc4514_string() == "CN=plexctl"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["localhost", "127.0.0.1", "::1"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


def test_no_key_stays_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder that it was made in is gone, and no argument of a command is secret."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    self_signed()
    assert not list(tmp_path.iterdir())
    request, sign = commands("openssl", NOW)
    assert request[request.index("-keyout") + 1] == sign[sign.index("-keyfile") + 1] == "key.pem"
    assert sign[sign.index("-startdate") + 1] == "261120120000Z"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "needs the openssl command, which is not here: install openssl"),
        (
            "#!/bin/sh\necho 'req: Error: no such curve' >&2\nexit 1\n",
            "openssl exited with 1: req: Error: no such curve",
        ),
        ("#!/bin/sh\nexit 0\n", "No such file"),
    ],
)
def test_where_none_can_be_made_it_is_said_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str | None, words: str
) -> None:
    """No openssl, one that fails, and one that does nothing."""
    if script is not None:
        (tmp_path / "openssl").write_text(script)
        (tmp_path / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CertificateError, match="PLEXCTL_TLS") as caught:
        self_signed()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
