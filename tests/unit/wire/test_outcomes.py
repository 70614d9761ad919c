"""Every operating-system and OpenSSL error has its outcome code."""

from __future__ import annotations

import errno
import socket
import ssl

import pytest

from plexctl.wire import Endpoint
from plexctl.wire.outcomes import dns_failure, tcp_failure, tls_failure

HOST = Endpoint(is_secure=True, host="h.example", port=443)


def certificate_error(code: int) -> ssl.SSLCertVerificationError:
    """Make the error that OpenSSL raises for a certificate."""
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "some reason"
    return error


def tls_error(reason: str) -> ssl.SSLError:
    """Make the error that OpenSSL raises for other trouble."""
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), "name_not_found"),
        (UnicodeError("label too long"), "name_not_found"),
        (socket.gaierror(socket.EAI_AGAIN, "try again"), "no_answer"),
        (OSError(errno.EIO, "broken"), "no_answer"),
    ],
)
def test_dns(error: Exception, outcome: str) -> None:
    """A name that does not exist is not a name server that is silent."""
    failure = dns_failure("h.example", error)
    assert (failure.stage, failure.outcome) == ("dns", outcome)
    assert "h.example" in failure.message


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), "refused"),
        (TimeoutError(), "timeout"),
        (OSError(errno.ETIMEDOUT, "timed out"), "timeout"),
        (OSError(errno.EHOSTUNREACH, "no route"), "unreachable"),
        (OSError(errno.ENETUNREACH, "no network"), "unreachable"),
        (PermissionError(errno.EPERM, "firewall"), "unreachable"),
    ],
)
def test_tcp(error: OSError, outcome: str) -> None:
    """Refused, silent and unreachable are three things."""
    failure = tcp_failure(("192.0.2.1", 443), error)
    assert (failure.stage, failure.outcome) == ("tcp", outcome)
    assert "192.0.2.1" in failure.message


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (certificate_error(9), "expired"),
        (certificate_error(10), "expired"),
        (certificate_error(18), "self_signed"),
        (certificate_error(19), "self_signed"),
        (certificate_error(20), "untrusted"),
        (certificate_error(62), "wrong_host"),
        (certificate_error(64), "wrong_host"),
        (tls_error("WRONG_VERSION_NUMBER"), "not_tls"),
        (tls_error("HTTP_REQUEST"), "not_tls"),
        (tls_error("TLSV1_ALERT_INTERNAL_ERROR"), "failed"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "closed"),
    ],
)
def test_tls(error: Exception, outcome: str) -> None:
    """Each way a certificate or a handshake fails has its code."""
    failure = tls_failure(HOST, error)
    assert (failure.stage, failure.outcome) == ("tls", outcome)
    assert failure.exit_code == 9
