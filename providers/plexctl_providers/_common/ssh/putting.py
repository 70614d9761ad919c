"""Files onto a host: whole or not at all, closed to others before there is anything in them."""

from __future__ import annotations

import contextlib
import gzip
import io
import posixpath
import tarfile
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from plexctl.errors import PlexError, PreflightError, ProviderError
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import UnreachableError, lost
from plexctl_providers._common.ssh.vendor import foreign_errors

if TYPE_CHECKING:
    from plexctl_providers._common.ssh.connection import Connection

_PATIENCE_S = 120.0
_PROHIBITED = 1
_SCRIPT, _PLAIN = 0o755, 0o644
_UNPACK = 'LC_ALL=C; export LC_ALL; mkdir -p -- "$1" && exec tar -xzof - -C "$1"'
_WRITE = """\
LC_ALL=C; export LC_ALL; umask 077; set -C
rm -f "$2"
[ -d "$1" ] && { echo 'a folder is in its place' >&2; exit 1; }
cat >"$2" && chmod "$3" "$2" && mv -f "$2" "$1" && exit 0
rm -f "$2"
exit 1
"""
_FULL = ("no space left", "quota exceeded", "wrote only")
"""As sh, cat and cp say it, and GNU tar of a file of which a part was written."""


def put(connection: Connection, path: str, content: bytes, mode: int) -> None:
    """Write one file by sftp; where sshd has none or fails, by a command's input, which says why it fails as well."""
    path = f"./{path}" if path.startswith("-") else path
    fresh = posixpath.join(posixpath.dirname(path), f".{posixpath.basename(path)}.plexctl-new")
    try:
        with connection.sftp() as client:
            _write(client, fresh, content, mode)
            client.posix_rename(fresh, path)
    except foreign_errors() as error:
        if not connection.is_alive():
            raise lost(connection.destination) from error
        _put_by_command(connection, path, fresh, content, mode)


def put_tree(connection: Connection, folder: str, files: Mapping[str, str]) -> None:
    """Send one archive to the standard input of tar."""
    argv = ["sh", "-c", _UNPACK, "sh", folder]
    done = connection.run(argv, stdin=archive(files), timeout_s=_PATIENCE_S)
    if done.code != 0:
        raise _failed(connection, folder, done.err)


def archive(files: Mapping[str, str]) -> bytes:
    """Return a compressed tar archive of text files, the same bytes for the same files. Pure."""
    packed = io.BytesIO()

    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w") as tar,
    ):
        for path, text in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            data = text.encode()
            entry.size = len(data)
            entry.mode = _SCRIPT if text.startswith("#!") else _PLAIN
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def refused_channel(destination: Destination, code: int, what: str) -> ProviderError:
    """Say why a host did not open a stream to a port."""
    if code == _PROHIBITED:
        hint = "allow it in its sshd_config: AllowTcpForwarding yes, and a PermitOpen that fits"
        return ProviderError(f"sshd on {destination} forbids a tunnel to {what}", hint=hint)
    return UnreachableError(f"{destination} cannot reach {what}", hint="nothing may listen there, or not yet")


def _write(client: Any, fresh: str, content: bytes, mode: int) -> None:
    with contextlib.suppress(FileNotFoundError):
        client.remove(fresh)
    try:
        with client.open(fresh, "wx") as file:
            client.chmod(fresh, mode)
            file.write(content)
    except OSError:
        with contextlib.suppress(OSError):
            client.remove(fresh)
        raise


def _put_by_command(connection: Connection, path: str, fresh: str, content: bytes, mode: int) -> None:
    argv = ["sh", "-c", _WRITE, "sh", path, fresh, f"{mode:04o}"]
    done = connection.run(argv, stdin=content, timeout_s=_PATIENCE_S)
    if done.code != 0:
        raise _failed(connection, path, done.err)


def _failed(connection: Connection, path: str, words: str) -> PlexError:
    """Tell a full disk from other reasons, by the words of a command in the C locale."""
    if any(sign in words.lower() for sign in _FULL):
        return PreflightError(f"the disk of {connection.destination} is full: no room for {path}", hint="make room")
    reason = next((line.strip() for line in words.splitlines() if line.strip()), "no reason given")
    hint = "may this user write there?"
    return ProviderError(f"{path} could not be written on {connection.destination}: {reason}", hint=hint)
