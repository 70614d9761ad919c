"""Opening: private from the first moment, and nothing that is not a sound journal of ours is ever written to."""

from __future__ import annotations

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.journal.samples import OFFER, contents, journal_in, query, ref, spec

from plexctl.errors import JournalError


def test_the_journal_and_its_folders_are_private_whatever_the_umask(tmp_path: Path) -> None:
    """0700 for every folder made on the way, 0600 for the file and for SQLite's files beside it."""
    home = tmp_path / "a" / "b"
    before = os.umask(0)
    try:
        with journal_in(home) as journal:
            journal.begin(ref("voice"), spec("voice"), OFFER)
            files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()}
    finally:
        os.umask(before)
    assert set(files) >= {"journal.db", "journal.db-wal", "journal.db-shm"}
    assert set(files.values()) == {0o600}
    assert [stat.S_IMODE(folder.stat().st_mode) for folder in (home, home.parent)] == [0o700, 0o700]


def test_each_commit_is_synchronous_and_logged_ahead(tmp_path: Path) -> None:
    """WAL with synchronous=FULL (2): an acknowledged write survives a power cut."""
    with journal_in(tmp_path) as journal:
        connection = journal._connection
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    """A process killed between making the file and its first write leaves nothing wrong behind."""
    (tmp_path / "journal.db").touch()
    with journal_in(tmp_path) as journal:
        assert journal.records() == []


def test_a_file_killed_between_wal_and_schema_becomes_a_journal(tmp_path: Path) -> None:
    """A SQLite file without any table, as the first open leaves it for a moment, is no foreign file."""
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with journal_in(tmp_path) as journal:
        assert journal.records() == []


def test_a_file_with_a_hot_rollback_journal_is_left_to_its_owner(tmp_path: Path) -> None:
    """A file that waits for a rollback is never one of ours, which are whole from the start: it is not played back."""
    path, crashed = tmp_path / "other.db", tmp_path / "home"
    crashed.mkdir()
    _foreign(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO bookmarks VALUES (?)", [("x" * 3000,)] * 50)
        (crashed / "journal.db").write_bytes(path.read_bytes())
        (crashed / "journal.db-journal").write_bytes(path.with_name("other.db-journal").read_bytes())
    before = contents(crashed)
    with pytest.raises(JournalError, match=r"journal\.db"), journal_in(crashed):
        raise AssertionError("it opened")
    assert contents(crashed) == before


def _sound(path: Path) -> bytes:
    with journal_in(path.parent) as journal:
        for number in range(30):
            journal.begin(ref(f"voice-{number}", f"id{number:04d}"), spec(f"voice-{number}"), OFFER)
    return path.read_bytes()


def _garbage(path: Path) -> None:
    path.write_bytes(b"this is no database, " * 400)


def _short(path: Path) -> None:
    path.write_bytes(_sound(path)[:50])


def _truncated(path: Path) -> None:
    path.write_bytes(_sound(path)[: 3 * 4096 + 100])


def _damaged_page(path: Path) -> None:
    data = bytearray(_sound(path))
    data[4096:8192] = b"\xa5" * 4096
    path.write_bytes(data)


def _zeroed_page(path: Path) -> None:
    data = bytearray(_sound(path))
    data[2 * 4096 : 3 * 4096] = bytes(4096)
    path.write_bytes(data)


def _foreign(path: Path, version: int = 0) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.commit()


def _foreign_with_a_version(path: Path) -> None:
    _foreign(path, version=1)


DAMAGES = [_garbage, _short, _truncated, _damaged_page, _zeroed_page, _foreign, _foreign_with_a_version]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__.strip("_"))
def test_what_is_no_sound_journal_is_refused_and_left_byte_for_byte(
    tmp_path: Path, damage: Callable[[Path], None]
) -> None:
    """A clear error that names the file and the way out; the file may be all that can be saved."""
    path = tmp_path / "journal.db"
    damage(path)
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"journal\.db") as caught, journal_in(tmp_path):
        raise AssertionError("it opened")
    assert "not touched" in (caught.value.hint or "")
    assert path.read_bytes() == before


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    """A directory called journal.db is an error in words."""
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(JournalError, match="directory"), journal_in(tmp_path):
        raise AssertionError("it opened")


def test_a_file_in_the_folders_place_is_refused(tmp_path: Path) -> None:
    """PLEXCTL_HOME that names a file is an error in words."""
    (tmp_path / "home").touch()
    with pytest.raises(JournalError, match="journal"), journal_in(tmp_path / "home"):
        raise AssertionError("it opened")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    """Without the right to write, the error names PLEXCTL_HOME."""
    tmp_path.chmod(0o500)
    with pytest.raises(JournalError) as caught, journal_in(tmp_path):
        raise AssertionError("it opened")
    assert "PLEXCTL_HOME" in (caught.value.hint or "")
    assert contents(tmp_path) == {}


def test_a_damaged_log_beside_a_sound_file_loses_nothing_acknowledged_before(tmp_path: Path) -> None:
    """Rubbish in the -wal file, as a torn write leaves it, is passed over by its checksums."""
    path = tmp_path / "journal.db"
    sound = _sound(path)
    (tmp_path / "journal.db-wal").write_bytes(b"\xa5" * 5000)
    with journal_in(tmp_path) as journal:
        assert len(journal.records()) == 30
    assert path.read_bytes() == sound
    assert query(path, "PRAGMA quick_check") == [("ok",)]
