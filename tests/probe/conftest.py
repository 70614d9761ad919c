"""Certificates made for each test run."""

from __future__ import annotations

import datetime as dt
import hashlib
import ssl
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme


@dataclass(frozen=True)
class Certificates:
    """A CA of our own and servers' certificates by it; `self_signed` is the CA's own used by a server."""

    cacert: Path
    good: ssl.SSLContext
    expired: ssl.SSLContext
    wrong_host: ssl.SSLContext
    self_signed: ssl.SSLContext
    fingerprint: str


def server_context(leaf: trustme.LeafCert) -> ssl.SSLContext:
    """Return a server's context with a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    leaf.configure_cert(context)
    return context


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Make all certificates once."""
    folder = tmp_path_factory.mktemp("certificates")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(folder / "ca.pem")
    leaf = ca.issue_cert("127.0.0.1", "localhost")
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=2)
    (folder / "own.pem").write_bytes(ca.private_key_pem.bytes() + ca.cert_pem.bytes())
    self_signed = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    self_signed.load_cert_chain(folder / "own.pem")
    der = ssl.PEM_cert_to_DER_cert(leaf.cert_chain_pems[0].bytes().decode())
    return Certificates(
        cacert=folder / "ca.pem",
        good=server_context(leaf),
        expired=server_context(ca.issue_cert("127.0.0.1", not_before=past - dt.timedelta(days=1), not_after=past)),
        wrong_host=server_context(ca.issue_cert("elsewhere.example")),
        self_signed=self_signed,
        fingerprint=hashlib.sha256(der).hexdigest(),
    )
