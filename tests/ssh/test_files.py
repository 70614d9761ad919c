"""Files onto a real host: whole or not at all, and closed to others from the first byte on."""

from __future__ import annotations

import os
import re
import subprocess
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ssh.rig import Sshd, sshd, until, wire_to

from plexctl.errors import PreflightError, ProviderError
from plexctl.secret import Secret
from plexctl_providers._common.ssh.connection import Connection, connect
from plexctl_providers._common.ssh.errors import ConnectionLostError
from plexctl_providers._common.ssh.putting import archive

SFTP = ("internal-sftp", "")
BROKEN_SFTP = ("/bin/echo hello", "/bin/false", "/bin/sleep 60")
CANARY = "canary-of-a-file"
SMALL_DISK_KIB = 64
LARGE = b"x" * 64_000_000


def mode_of(path: Path) -> int:
    """Return the permission bits."""
    return path.stat().st_mode & 0o7777


def names_in(folder: Path) -> list[str]:
    """Return what is in a folder."""
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.real
@pytest.mark.parametrize("sftp", SFTP)
def test_a_file_is_put_with_its_mode(tmp_path: Path, sftp: str) -> None:
    """Contents and mode arrive, also over what is there, by sftp and without it; nothing else is left."""
    folder = tmp_path / "it's here"
    folder.mkdir()
    data = bytes(range(256)) * 1000
    with sshd(tmp_path / "sshd", sftp=sftp) as one, connect(one.login) as connection:
        connection.put(f"{folder}/secret", Secret(CANARY), mode=0o600)
        connection.put(f"{folder}/data", b"before", mode=0o600)
        connection.put(f"{folder}/data", data, mode=0o644)
        connection.put(f"{folder}/-n", b"", mode=0o400)
        assert (one.folder / "log").read_text(encoding="utf-8").count(CANARY) == 0
    assert (folder / "secret").read_text(encoding="utf-8") == CANARY
    assert (folder / "data").read_bytes() == data
    assert [mode_of(folder / name) for name in ("secret", "data", "-n")] == [0o600, 0o644, 0o400]
    assert names_in(folder) == ["-n", "data", "secret"]


@pytest.mark.real
@pytest.mark.parametrize("sftp", BROKEN_SFTP)
def test_a_file_is_put_where_sftp_is_broken(tmp_path: Path, sftp: str) -> None:
    """An sftp that talks rubbish, ends or says nothing is done without, in its time."""
    path = tmp_path / "file"
    with sshd(tmp_path / "sshd", sftp=sftp) as one, connect(one.login, timeout_s=3) as connection:
        connection.put(str(path), Secret(CANARY), mode=0o600)
    assert (path.read_text(encoding="utf-8"), mode_of(path)) == (CANARY, 0o600)


@pytest.mark.real
def test_what_a_broken_put_left_is_replaced_and_a_link_in_its_place_is_not_followed(
    connection: Connection, tmp_path: Path
) -> None:
    """A rest of an earlier try, or somebody's link under that name, gets neither contents nor in the way."""
    stranger = tmp_path / "stranger"
    stranger.write_text("theirs", encoding="utf-8")
    (tmp_path / ".secret.plexctl-new").symlink_to(stranger)
    connection.put(f"{tmp_path}/secret", Secret(CANARY), mode=0o600)
    assert stranger.read_text(encoding="utf-8") == "theirs"
    assert not (tmp_path / "secret").is_symlink()
    assert (tmp_path / "secret").read_text(encoding="utf-8") == CANARY


@pytest.mark.real
@pytest.mark.parametrize("sftp", SFTP)
def test_what_cannot_be_written_says_why(tmp_path: Path, sftp: str) -> None:
    """A folder that is not there, or a folder in the file's place, is an error with the path; nothing is left."""
    (tmp_path / "folder" / "inside").mkdir(parents=True)
    with sshd(tmp_path / "sshd", sftp=sftp) as one, connect(one.login) as connection:
        with pytest.raises(ProviderError, match=re.escape(f"{tmp_path}/gone/file could not be written")) as caught:
            connection.put(f"{tmp_path}/gone/file", Secret(CANARY), mode=0o600)
        assert CANARY not in f"{caught.value!r}{caught.value.hint}"
        with pytest.raises(ProviderError, match=r"could not be written on .*: a folder is in its place"):
            connection.put(f"{tmp_path}/folder", b"x", mode=0o600)
    assert names_in(tmp_path) == ["folder", "sshd"]


@pytest.mark.real
@pytest.mark.skipif(os.getuid() != 0, reason="a small disk is mounted, in a namespace of its own")
@pytest.mark.parametrize("sftp", SFTP)
def test_a_full_disk_is_said_and_leaves_nothing(tmp_path: Path, sftp: str) -> None:
    """Neither a file nor a tree that does not fit is left there in part under its name, and the disk is named."""
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o size={SMALL_DISK_KIB}k none {disk} && exec "$@"'
    namespace = ("unshare", "--mount", "sh", "-c", script, "sh")
    too_much = "x" * 1024 * (SMALL_DISK_KIB + 64)
    with sshd(tmp_path / "sshd", sftp=sftp, prefix=namespace) as one, connect(one.login) as connection:
        connection.put(f"{disk}/file", b"before", mode=0o600)
        writes: list[Callable[[], None]] = [
            lambda: connection.put(f"{disk}/file", too_much.encode(), mode=0o600),
            lambda: connection.put_tree(f"{disk}/tree", {"file": too_much}),
        ]
        for write in writes:
            with pytest.raises(PreflightError, match="is full") as caught:
                write()
            assert caught.value.hint
            connection.run(["rm", "-rf", f"{disk}/tree"])
        assert connection.run(["ls", "-A", str(disk)]).out == "file\n"
        assert connection.run(["cat", f"{disk}/file"]).out == "before"
    assert names_in(disk) == []


@pytest.mark.real
def test_a_cut_in_the_middle_leaves_the_file_as_it_was(server: Sshd, tmp_path: Path) -> None:
    """What was there stays whole; the next try succeeds over the rest of the first."""
    path, fresh = tmp_path / "file", tmp_path / ".file.plexctl-new"
    path.write_text("before", encoding="utf-8")
    with wire_to(server.port) as wire:
        login = replace(server.login, destination=replace(server.destination, port=wire.port))

        def cut_in_the_middle() -> None:
            until(lambda: fresh.exists() and fresh.stat().st_size > 0)
            wire.cut()

        cutter = threading.Thread(target=cut_in_the_middle)
        cutter.start()
        with connect(login) as connection, pytest.raises(ConnectionLostError):
            connection.put(str(path), LARGE, mode=0o600)
        cutter.join()
        assert path.read_text(encoding="utf-8") == "before"
        assert 0 < fresh.stat().st_size < len(LARGE)
        assert mode_of(fresh) == 0o600
        with connect(login) as connection:
            connection.put(str(path), b"after", mode=0o600)
    assert path.read_text(encoding="utf-8") == "after"
    assert names_in(tmp_path) == ["file"]


@pytest.mark.real
def test_a_tree_arrives_with_its_folders(connection: Connection, tmp_path: Path) -> None:
    """Folders are made, scripts can be run, other files cannot, and what is there besides stays."""
    files = {"run.sh": "#!/bin/sh\necho it runs\n", "a/b/c.txt": "gr\u00fc\u00dfe\n", "empty": ""}
    folder = tmp_path / "new" / "-tree of mine"
    folder.mkdir(parents=True)
    (folder / "other").write_text("stays", encoding="utf-8")
    connection.put_tree(str(folder), files)
    assert subprocess.run([folder / "run.sh"], capture_output=True, check=True).stdout == b"it runs\n"
    assert {path: (folder / path).read_text(encoding="utf-8") for path in files} == files
    assert [mode_of(folder / path) for path in files] == [0o755, 0o644, 0o644]
    assert (folder / "other").read_text(encoding="utf-8") == "stays"


@pytest.mark.real
def test_a_tree_that_cannot_be_put_says_why(connection: Connection, tmp_path: Path) -> None:
    """A file in the folder's place is an error with the path."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ProviderError, match=re.escape(f"{tmp_path}/file/tree could not be written")):
        connection.put_tree(f"{tmp_path}/file/tree", {"a": "b"})


def test_the_same_files_are_the_same_archive() -> None:
    """Neither the clock nor the order of the files changes what is sent."""
    assert archive({"a": "1", "b": "2"}) == archive({"b": "2", "a": "1"})
    assert archive({"a": "1"}) != archive({"a": "2"})
