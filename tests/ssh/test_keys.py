"""Key pairs and the names of keys."""

from __future__ import annotations

import pytest
from tests.ssh.rig import keygen, write_key

from plexctl.errors import ConfigurationError
from plexctl_providers._common.ssh.keys import KeyPair, fingerprint, key_hash, key_words, new_key_pair, public_half

GITHUB = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
GITHUB_FINGERPRINT = "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
"""As docs.github.com publishes them, under "GitHub's SSH key fingerprints"."""


def test_fingerprints_are_those_that_people_compare() -> None:
    """A published key has its published fingerprint, whatever comment stands behind it."""
    assert fingerprint(GITHUB) == fingerprint(f"{GITHUB} git@github.com\n") == GITHUB_FINGERPRINT
    assert key_words(GITHUB) == f"ED25519 {GITHUB_FINGERPRINT}"


def test_a_key_s_hash_is_of_the_key_alone() -> None:
    """The comment is no part of a key's name, so that the same key has one name everywhere."""
    assert key_hash(GITHUB) == key_hash(f"{GITHUB} someone") == "ddb3aa00854e11fc"
    assert len({key_hash(new_key_pair("x").public) for _ in range(8)}) == 8


@pytest.mark.parametrize(
    "text",
    ["", "ssh-ed25519", "ssh-ed25519 ???", "ssh-rsa AAAAC3NzaC1lZDI1NTE5AAAAIOMq", "AAAAC3NzaC1lZDI1NTE5", " AAAA"],
)
def test_what_is_no_public_key_is_refused(text: str) -> None:
    """A line without a type, without base64, or whose type is another than that of the bytes, is no key."""
    with pytest.raises(ConfigurationError, match="no public key"):
        public_half(text)


def test_a_private_key_is_never_shown() -> None:
    """Neither repr nor str of a pair has anything of the private half."""
    pair = new_key_pair("me")
    assert "PRIVATE" not in f"{pair!r}{pair}"
    assert pair.private.reveal().startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")


@pytest.mark.real
def test_ssh_keygen_agrees(tmp_path_factory: pytest.TempPathFactory) -> None:
    """ssh-keygen reads the pair, makes the same public half of the private one, and shows the same fingerprint."""
    pair: KeyPair = new_key_pair("me@here")
    path = write_key(tmp_path_factory.mktemp("key") / "key", pair)
    assert public_half(keygen("-y", "-f", str(path))) == public_half(pair.public)
    assert keygen("-l", "-f", str(path)).split()[:2] == ["256", fingerprint(pair.public)]
