"""What `doctor` says of ssh: its client, the library that logs in, keys, and whom this user believes. Reads only."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from plexctl.flows.running import answer_of
from plexctl.model import Finding, Level

_KEY_NAMES = ("id_ed25519", "id_ecdsa", "id_rsa")
"""Those that OpenSSH tries by itself, of the kinds that hosts still take."""


def check_ssh(environ: Mapping[str, str]) -> list[Finding]:
    """Say what is there of all that hosts and virtual machines need; only they do, so that nothing here fails."""
    return [_client(environ), _library(), _keys(environ), _known_hosts(environ)]


def _client(environ: Mapping[str, str]) -> Finding:
    path = shutil.which("ssh", path=environ.get("PATH"))
    if path is None:
        fix = "install openssh-client: `plexctl ssh` hands over to it"
        return Finding("ssh", Level.WARN, "no ssh client", fix)
    words = answer_of([path, "-V"], environ)[1].partition(",")[0].strip()
    return Finding("ssh", Level.OK, words or "an ssh client is installed")


def _library() -> Finding:
    if find_spec("paramiko") is None:
        words = "paramiko is not installed: no host can be logged in to"
        return Finding("ssh-library", Level.WARN, words, "pip install 'plexctl[ssh]'")
    return Finding("ssh-library", Level.OK, "paramiko is installed")


def _keys(environ: Mapping[str, str]) -> Finding:
    """Say which keys there are to log in with: the agent's, and files that are tried by themselves."""
    folder = _folder(environ)
    files = [name for name in _KEY_NAMES if folder is not None and (folder / name).is_file()]
    held, agent = _agent(environ)
    words = f"{agent}; key files: {', '.join(files) if files else 'none'}"
    if folder is not None:
        loose = [name for name in files if _is_open_to_others(folder / name)]
        if loose:
            fix = f"chmod 600 {' '.join(str(folder / name) for name in loose)}"
            return Finding("ssh-keys", Level.WARN, f"others may read {', '.join(loose)}: OpenSSH refuses it", fix)
    if not files and not held:
        fix = "make one with ssh-keygen -t ed25519, or name its file with --identity; clouds get keys of their own"
        return Finding("ssh-keys", Level.WARN, words, fix)
    return Finding("ssh-keys", Level.OK, words)


def _agent(environ: Mapping[str, str]) -> tuple[int, str]:
    """Return how many keys the agent holds, as far as it tells, and that in words."""
    if not environ.get("SSH_AUTH_SOCK"):
        return 0, "no agent"
    tool = shutil.which("ssh-add", path=environ.get("PATH"))
    if tool is None:
        return 0, "an agent, which nothing here can ask"
    code, said = answer_of([tool, "-l"], environ)
    if code == 0:
        count = len(said.splitlines())
        return count, f"the agent holds {count} key{'' if count == 1 else 's'}"
    return 0, "the agent holds no keys" if code == 1 else "the agent does not answer"


def _known_hosts(environ: Mapping[str, str]) -> Finding:
    folder = _folder(environ)
    path = None if folder is None else folder / "known_hosts"
    try:
        text = path.read_text(encoding="utf-8", errors="replace") if path else ""
    except FileNotFoundError:
        text = ""
    except OSError as error:
        words = f"known_hosts cannot be read: {error.strerror}"
        return Finding("ssh-known-hosts", Level.WARN, words, "make it readable: no host is believed otherwise")
    count = sum(1 for line in text.splitlines() if line.strip() and not line.startswith("#"))
    if not count:
        fix = "log in with ssh once and compare the key, or pass --accept-host-key SHA256:..."
        return Finding("ssh-known-hosts", Level.OK, f"known_hosts knows no host of yours yet: {fix}")
    return Finding("ssh-known-hosts", Level.OK, f"known_hosts has {count} key{'' if count == 1 else 's'}")


def _folder(environ: Mapping[str, str]) -> Path | None:
    home = environ.get("HOME") or environ.get("USERPROFILE")
    return Path(home) / ".ssh" if home else None


def _is_open_to_others(path: Path) -> bool:
    try:
        return os.name == "posix" and bool(path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO))
    except OSError:
        return False
