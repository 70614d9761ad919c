"""Trust is data: what a user writes becomes a CA file or 64 digits, or a UsageError."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexctl.errors import UsageError
from plexctl.wire import SYSTEM, Trust
from plexctl.wire.trust import tls_context

DIGITS = "0123456789abcdef" * 4
COLONS = ":".join(DIGITS[start : start + 2].upper() for start in range(0, 64, 2))


@pytest.mark.parametrize(
    "text",
    [DIGITS, DIGITS.upper(), COLONS, f"sha256:{DIGITS}", f" SHA256:{COLONS} ", f"sha256 Fingerprint={COLONS}"],
)
def test_fingerprints_are_read_as_tools_print_them(text: str) -> None:
    """Capitals, colons, prefixes, and openssl's own line."""
    assert Trust.of(fingerprint=text) == Trust(fingerprint=DIGITS)


@pytest.mark.parametrize("text", ["", "abc", DIGITS + "0", "g" * 64, f"sha1:{DIGITS[:40]}"])
def test_other_fingerprints_are_refused(text: str) -> None:
    """Anything but 64 hexadecimal digits is a mistake."""
    with pytest.raises(UsageError, match="64 hexadecimal"):
        Trust.of(fingerprint=text)


def test_one_trust_at_a_time() -> None:
    """A CA file and a pin together have no meaning."""
    with pytest.raises(UsageError, match="exclude"):
        Trust.of(Path("ca.pem"), DIGITS)
    assert Trust.of() == SYSTEM


def test_a_ca_file_must_be_one(tmp_path: Path) -> None:
    """A missing file and a file without a certificate are the user's mistake."""
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(UsageError, match="no CA certificate"):
            tls_context(Trust.of(tmp_path / name))
