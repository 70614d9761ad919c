"""Whom a connection believes: pins, known_hosts files as OpenSSH reads them, accepted fingerprints."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pytest

from plexctl.errors import ConfigurationError, CredentialsError
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import ChangedHostKeyError, UnknownHostKeyError
from plexctl_providers._common.ssh.keys import fingerprint, public_half
from plexctl_providers._common.ssh.known_hosts import parse, text_for
from plexctl_providers._common.ssh.trust import Trust, check_host_key, known_of

ONE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl"
OTHER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKpZ9uy+H3i8xtW8VkPkRWG+EVj+mdw33PAHxFfVVekd"
ECDSA = (
    "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBH30fGn7qJqGxEmj5+"
    "oYLiBjTG9eP3wAQV27CEnYvbxtMd3WlDOHa/gT/DzwWldFwXThvDT8Sfxrxu4e0sMHdHI="
)
GPU = Destination("gpu.example.org", 22, "me")
PORT = Destination("gpu.example.org", 2222, "me")
HASHED = "|1|9jN1oNMuwZzmtU7pPw9PEP3rBLU=|{}"

HASHED_NAMES = (
    "|1|BcPmDLgksXy7nKrm110lHYBak/U=|VW2Sq4GUGu2AexuCg+lWhB2fhl0=",
    "|1|9R0eqKwh77jY0OlXcWaZsixbjQk=|4zsQjz9kipljMTCAZuTjALQF/wY=",
)
"""As ssh-keygen -H (OpenSSH 9.2) wrote gpu.example.org and [gpu.example.org]:2222."""


class Ask(Protocol):
    """Asks whether a known_hosts file of this text believes a key: "yes", or the refusal's class, words and hint."""

    def __call__(self, text: str, shown: str, where: Destination = GPU, accepted: tuple[str, ...] = ()) -> str:
        """Return it."""


@pytest.fixture
def believes(tmp_path: Path) -> Ask:
    """Give the question, with a file of its own."""

    def ask(text: str, shown: str, where: Destination = GPU, accepted: tuple[str, ...] = ()) -> str:
        path = tmp_path / "known_hosts"
        path.write_text(text, encoding="utf-8")
        trust = Trust(known_hosts=path, accepted=accepted)
        try:
            check_host_key(trust, known_of(trust, where), where, shown)
        except CredentialsError as error:
            return f"{type(error).__name__}: {error.message} [{error.hint}]"
        return "yes"

    return ask


@pytest.mark.parametrize(
    "line",
    [
        f"gpu.example.org {ONE}",
        f"gpu.example.org,192.0.2.7 {ONE} a comment of words",
        f"# comment\n\ngpu.example.org\t{ONE}",
        f"*.example.org {ONE}",
        f"gpu.example.??? {ONE}",
        f"GPU.Example.ORG {ONE}",
        f"gpu.example.org {OTHER}\ngpu.example.org {ONE}",
        f"nonsense\n@marker gpu {ONE}\ngpu.example.org {ONE}",
        f"gpu.example.org {ECDSA}\ngpu.example.org {ONE}",
    ],
)
def test_a_known_key_is_believed(believes: Ask, line: str) -> None:
    """Names, lists, patterns, comments and several keys are read as OpenSSH does; nonsense is passed over."""
    assert believes(line, ONE) == "yes"


@pytest.mark.parametrize(
    "line",
    [
        "",
        f"other.example.org {ONE}",
        f"*.example.org,!gpu.example.org {ONE}",
        f"!gpu.example.org {ONE}",
        f"[gpu.example.org]:2222 {ONE}",
        f"#gpu.example.org {ONE}",
        "gpu.example.org ssh-ed25519 nonsense",
        f"gpu.example.org ssh-rsa {ONE.split()[1]}",
        f"@else gpu.example.org {ONE}",
        f"{HASHED.format('AAAA')} {ONE}",
        f"|1|nonsense {ONE}",
    ],
)
def test_what_is_not_of_the_host_does_not_make_it_known(believes: Ask, line: str) -> None:
    """Other hosts, other ports, negations, and lines that are damaged vouch for nobody."""
    said = believes(line, ONE)
    assert said.startswith(
        "UnknownHostKeyError: me@gpu.example.org shows a key that known_hosts does not know: ED25519"
    )
    assert f"--accept-host-key {fingerprint(ONE)}" in said


@pytest.mark.parametrize(("shown", "name"), [(ONE, "ed25519"), (ECDSA, "ecdsa")])
def test_the_hint_names_the_file_of_the_shown_key_s_type(believes: Ask, shown: str, name: str) -> None:
    """What the user is told to look at on the host is the key that was shown."""
    assert f"/etc/ssh/ssh_host_{name}_key.pub" in believes("", shown)


def test_an_unknown_host_is_believed_by_the_fingerprint_that_the_user_names(believes: Ask) -> None:
    """One accepted fingerprint lets in that key and no other."""
    assert believes("", ONE, accepted=(fingerprint(OTHER), fingerprint(ONE))) == "yes"
    said = believes("", ONE, accepted=(fingerprint(OTHER),))
    assert "which is not the accepted" in said
    assert fingerprint(OTHER) in said


def test_a_changed_key_is_refused_whatever_is_accepted(believes: Ask) -> None:
    """A known host's other key is never offered to be accepted, and both fingerprints are said."""
    said = believes(f"gpu.example.org {ONE}", OTHER, accepted=(fingerprint(OTHER),))
    assert said.startswith("ChangedHostKeyError")
    assert fingerprint(ONE) in said
    assert fingerprint(OTHER) in said
    assert "--accept-host-key" not in said


def test_a_key_of_another_type_than_the_known_one_is_a_changed_key(believes: Ask) -> None:
    """Whoever sits in between could show a type that is not known; it is no way around the known key."""
    assert believes(f"gpu.example.org {ECDSA}", ONE, accepted=(fingerprint(ONE),)).startswith("ChangedHostKeyError")


def test_a_revoked_key_is_refused_even_where_it_is_known_and_accepted(believes: Ask) -> None:
    """@revoked wins over every other line and flag."""
    text = f"gpu.example.org {ONE}\n@revoked * {ONE}"
    said = believes(text, ONE, accepted=(fingerprint(ONE),))
    assert said.startswith("ChangedHostKeyError")
    assert "revokes" in said
    assert believes(f"@revoked gpu.example.org {ONE}\ngpu.example.org {OTHER}", OTHER) == "yes"


def test_a_certificate_authority_s_line_makes_no_key_known(believes: Ask) -> None:
    """A CA's own key must not be taken for the host's; the refusal says that there is a CA."""
    said = believes(f"@cert-authority *.example.org {ONE}", ONE)
    assert said.startswith("UnknownHostKeyError")
    assert "certificate authority" in said


def test_another_port_has_keys_of_its_own(believes: Ask) -> None:
    """A key under [host]:port is that port's; the plain name's key is believed when equal, as OpenSSH does."""
    assert believes(f"[gpu.example.org]:2222 {ONE}", ONE, PORT) == "yes"
    assert believes(f"gpu.example.org {ONE}", ONE, PORT) == "yes"
    assert believes(f"gpu.example.org {OTHER}", ONE, PORT).startswith("UnknownHostKeyError")
    both = f"[gpu.example.org]:2222 {ONE}\ngpu.example.org {OTHER}"
    assert believes(both, OTHER, PORT).startswith("ChangedHostKeyError")


def test_hashed_names_are_found(believes: Ask) -> None:
    """Lines as ssh-keygen -H wrote them are of the hashed host alone."""
    lines = [f"{name} {ONE}" for name in HASHED_NAMES]
    assert [believes(line, ONE)[:3] for line in lines] == ["yes", "Unk"]
    assert [believes(line, ONE, PORT)[:3] for line in lines] == ["yes", "yes"]
    assert believes(lines[0], ONE, Destination("gpu.example.com")).startswith("UnknownHostKeyError")


def test_pins_are_believed_and_nothing_else() -> None:
    """With a pin, neither known_hosts nor an accepted fingerprint lets another key in; two pins let in either."""
    trust = Trust(pinned=(f"{ONE} comment", ECDSA), known_hosts=Path("/nonexistent"), accepted=(fingerprint(OTHER),))
    known = known_of(trust, GPU)
    check_host_key(trust, known, GPU, ONE)
    check_host_key(trust, known, GPU, ECDSA)
    with pytest.raises(ChangedHostKeyError, match="its pinned key is ED25519 SHA256:") as caught:
        check_host_key(trust, known, GPU, OTHER)
    assert "--accept-host-key" not in (caught.value.hint or "")


def test_nothing_known_believes_nobody() -> None:
    """The empty trust refuses every key; there is no first use that is trusted."""
    with pytest.raises(UnknownHostKeyError):
        check_host_key(Trust(), known_of(Trust(), GPU), GPU, ONE)


def test_a_file_that_is_not_there_knows_nobody_and_one_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    """A missing known_hosts is a new user's; a folder in its place is a mistake that is said."""
    assert known_of(Trust(known_hosts=tmp_path / "none"), GPU).keys == ()
    with pytest.raises(ConfigurationError, match="cannot be read"):
        known_of(Trust(known_hosts=tmp_path), GPU)


def test_a_pin_that_is_no_key_is_an_error() -> None:
    """A damaged pin must not become "nothing is pinned"."""
    with pytest.raises(ConfigurationError, match="no public key"):
        known_of(Trust(pinned=("",)), GPU)


def test_what_is_written_is_read_back() -> None:
    """The known_hosts text of a deployment believes its keys under the name that OpenSSH looks up."""
    text = text_for(PORT, [f"{ONE} comment", ECDSA])
    assert text == f"[gpu.example.org]:2222 {ONE}\n[gpu.example.org]:2222 {ECDSA}\n"
    assert [entry.public for entry in parse(text)] == [public_half(ONE), ECDSA]


def test_the_host_is_asked_for_the_types_that_are_known(tmp_path: Path) -> None:
    """Known types come in the order of the file, each once."""
    path = tmp_path / "known_hosts"
    path.write_text(f"gpu.example.org {ECDSA}\ngpu.example.org {ONE}\ngpu.example.org {OTHER}\n", encoding="utf-8")
    assert known_of(Trust(known_hosts=path), GPU).kinds() == ("ecdsa-sha2-nistp256", "ssh-ed25519")
