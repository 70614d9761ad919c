"""What `doctor` says of ssh: what is there, what others may read, and who is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from plexctl.flows.doctor_ssh import check_ssh
from plexctl.model import Finding, Level


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Give a home with no keys, and tools that answer as OpenSSH's do."""
    (tmp_path / "bin").mkdir()
    (tmp_path / ".ssh").mkdir()
    tool(tmp_path, "ssh", "echo 'OpenSSH_9.2p1 Debian-2, OpenSSL 3.0' >&2")
    return {"HOME": str(tmp_path), "PATH": str(tmp_path / "bin")}


def tool(home: Path, name: str, script: str) -> None:
    """Put a tool on the path."""
    path = home / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def found(environ: dict[str, str]) -> dict[str, Finding]:
    """Return the findings by check."""
    return {one.check: one for one in check_ssh(environ)}


def test_a_machine_without_keys_is_told_how_to_make_one(environ: dict[str, str]) -> None:
    """A warning: clouds get keys of their own."""
    shown = found(environ)
    assert (shown["ssh"].level, shown["ssh"].message) == (Level.OK, "OpenSSH_9.2p1 Debian-2")
    assert (shown["ssh-keys"].level, shown["ssh-keys"].message) == (Level.WARN, "no agent; key files: none")
    assert "ssh-keygen -t ed25519" in (shown["ssh-keys"].fix or "")
    assert "--accept-host-key" in shown["ssh-known-hosts"].message


def test_without_a_client_the_fix_is_named(environ: dict[str, str], tmp_path: Path) -> None:
    """Only `plexctl ssh` needs it."""
    (tmp_path / "bin" / "ssh").unlink()
    assert (found(environ)["ssh"].level, found(environ)["ssh"].message) == (Level.WARN, "no ssh client")


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo '256 SHA256:x a'; echo '256 SHA256:y b'", "the agent holds 2 keys; key files: none"),
        ("echo 'The agent has no identities.'; exit 1", "the agent holds no keys; key files: none"),
        ("exit 2", "the agent does not answer; key files: none"),
    ],
)
def test_the_agent_is_asked(environ: dict[str, str], tmp_path: Path, script: str, words: str) -> None:
    """By ssh-add, which says by its code what it found."""
    tool(tmp_path, "ssh-add", script)
    one = found(environ | {"SSH_AUTH_SOCK": "/nonexistent"})["ssh-keys"]
    assert (one.message, one.level) == (words, Level.OK if "2 keys" in words else Level.WARN)


def test_a_key_that_others_may_read_is_told(environ: dict[str, str], tmp_path: Path) -> None:
    """OpenSSH does not take it; the fix is the command."""
    key = tmp_path / ".ssh" / "id_ed25519"
    key.write_text("a key")
    key.chmod(0o644)
    one = found(environ)["ssh-keys"]
    assert (one.level, one.fix) == (Level.WARN, f"chmod 600 {key}")
    key.chmod(0o600)
    assert found(environ)["ssh-keys"].message == "no agent; key files: id_ed25519"


def test_known_hosts_are_counted(environ: dict[str, str], tmp_path: Path) -> None:
    """Comments are none."""
    (tmp_path / ".ssh" / "known_hosts").write_text("# mine\na ssh-ed25519 AAAA\n\nb ssh-ed25519 AAAA\n")
    assert found(environ)["ssh-known-hosts"].message == "known_hosts has 2 keys"
