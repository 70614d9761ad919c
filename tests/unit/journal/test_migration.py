"""Older journals become current ones, newer ones are left alone."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.unit.journal.samples import OFFER, journal_in, query, ref, spec

from plexctl.errors import JournalError
from plexctl.journal.opening import connect
from plexctl.journal.schema import APPLICATION_ID, MIGRATIONS

NEWER = (*MIGRATIONS, "ALTER TABLE deployments ADD COLUMN owner TEXT; CREATE TABLE notes (text TEXT) STRICT")
BROKEN = (*MIGRATIONS, "ALTER TABLE deployments ADD COLUMN owner TEXT; INSERT INTO nowhere VALUES (1)")


def _version(path: Path) -> object:
    return query(path, "PRAGMA user_version")[0][0]


def test_a_new_journal_bears_our_mark_and_the_newest_version(tmp_path: Path) -> None:
    """The header alone tells what the file is, without the files beside it."""
    path = tmp_path / "journal.db"
    connection = connect(path)
    header = path.read_bytes()[:100]
    connection.close()
    assert int.from_bytes(header[60:64], "big") == len(MIGRATIONS)
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID


def test_an_older_journal_is_migrated_with_what_it_holds(tmp_path: Path) -> None:
    """Every migration above the file's version runs once; rows survive."""
    path = tmp_path / "journal.db"
    with journal_in(tmp_path) as journal:
        journal.begin(ref("voice"), spec("voice"), OFFER)
    for _ in range(2):
        connect(path, NEWER).close()
    assert _version(path) == len(NEWER)
    assert query(path, "SELECT name, owner FROM deployments") == [("voice", None)]


def test_a_migration_that_fails_leaves_the_older_journal(tmp_path: Path) -> None:
    """A migration is all or nothing: its first statement is undone with its second."""
    path = tmp_path / "journal.db"
    with journal_in(tmp_path) as journal:
        journal.begin(ref("voice"), spec("voice"), OFFER)
    with pytest.raises(JournalError, match="nowhere"):
        connect(path, BROKEN)
    assert _version(path) == len(MIGRATIONS)
    with journal_in(tmp_path) as journal:
        assert [record.ref.name for record in journal.records()] == ["voice"]


def test_a_newer_journal_is_refused_and_left_byte_for_byte(tmp_path: Path) -> None:
    """An older plexctl writes nothing to a schema that it does not know, and says what to upgrade."""
    path = tmp_path / "journal.db"
    connect(path, NEWER).close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match="newer plexctl") as caught:
        connect(path)
    assert "upgrade plexctl" in (caught.value.hint or "")
    assert path.read_bytes() == before
    assert list(tmp_path.glob("journal.db-*")) == []


def test_a_newer_journal_whose_header_lags_is_refused_too(tmp_path: Path) -> None:
    """A newer plexctl killed before its checkpoint leaves the version in the -wal file: it is read there."""
    path, crashed = tmp_path / "journal.db", tmp_path / "crashed"
    connect(path).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA user_version = {len(NEWER)}")
        shutil.copytree(tmp_path, crashed, ignore=shutil.ignore_patterns("crashed", "*-shm"))
    before = {name: (crashed / name).read_bytes() for name in ("journal.db", "journal.db-wal")}
    with pytest.raises(JournalError, match="newer plexctl"):
        connect(crashed / "journal.db")
    assert {name: (crashed / name).read_bytes() for name in before} == before


def test_an_older_plexctl_cannot_be_overtaken_while_it_opens(tmp_path: Path) -> None:
    """Two versions side by side: whoever migrates first wins, and the older one is refused from then on."""
    path = tmp_path / "journal.db"
    older = connect(path)
    connect(path, NEWER).close()
    older.close()
    with pytest.raises(JournalError, match="newer plexctl"):
        connect(path)
