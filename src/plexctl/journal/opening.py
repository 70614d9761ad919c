"""Opening a journal file safely: 0600, WAL, FULL, checked before anything is written to it.

A file that is no journal, is damaged, or was written by a newer plexctl raises JournalError and stays as it is.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from plexctl.errors import JournalError
from plexctl.folders import make_private
from plexctl.journal.schema import APPLICATION_ID, MIGRATIONS, migrate

_BUSY_TIMEOUT_S = 30
_RETRY_S = 0.01
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL)
_MAGIC = b"SQLite format 3\x00"
_HEADER_SIZE = 100
_USER_VERSION = slice(60, 64)
_APPLICATION_ID = slice(68, 72)


def connect(path: Path, migrations: tuple[str, ...] = MIGRATIONS) -> sqlite3.Connection:
    """Open the journal at `path` for reading and writing; create it when there is none."""
    with sqlite_errors(path):
        make_private(path.parent)
        if not path.exists():
            _create(path, migrations)
        deadline = time.monotonic() + _BUSY_TIMEOUT_S
        while True:
            try:
                return _connect_once(path, migrations)
            except sqlite3.OperationalError as error:
                # For the change to WAL SQLite does not wait by itself: several first opens at once meet here.
                if error.sqlite_errorcode & 0xFF not in _BUSY or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_S)


def _connect_once(path: Path, migrations: tuple[str, ...]) -> sqlite3.Connection:
    _check(path, newest=len(migrations))
    return _open_for_writing(path, migrations)


def _open_for_writing(path: Path, migrations: tuple[str, ...]) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        migrate(connection, migrations)
    except BaseException:
        connection.close()
        raise
    return connection


@contextmanager
def sqlite_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say into JournalError."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        raise JournalError(f"the journal {path} cannot be used: {error}", hint=_hint(str(error), path)) from error
    except OSError as error:
        raise JournalError(
            f"the journal {path} cannot be used: {error.strerror}",
            hint="make its folder writable, or name another with PLEXCTL_HOME",
        ) from error


def _hint(reason: str, path: Path) -> str:
    if "full" in reason:
        return "free disk space; nothing was created"
    if "disk I/O" in reason:
        return "the disk or a limit on it refuses writes: what was acknowledged before is safe"
    if "locked" in reason:
        return "another plexctl is writing: try again"
    if "readonly" in reason or "unable to open" in reason:
        return "make its folder writable, or name another with PLEXCTL_HOME"
    return f"it was not touched: move {path} away, then find what exists with the providers' own consoles"


def _create(path: Path, migrations: tuple[str, ...]) -> None:
    """Make an empty journal under another name and give it its own when it is whole.

    SQLite turns a new file to WAL under a rollback journal: killed there, it would leave a file that only a writer can
    mend, and nothing here writes to a file that it has not checked.
    """
    from filelock import FileLock

    draft = path.with_name(f"{path.name}.new")
    with FileLock(path.with_name(f"{path.name}.lock"), timeout=_BUSY_TIMEOUT_S, mode=0o600):
        if path.exists():
            return
        for leftover in (draft, Path(f"{draft}-journal"), Path(f"{draft}-wal"), Path(f"{draft}-shm")):
            leftover.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_RDWR, 0o600))
        _open_for_writing(draft, migrations).close()
        draft.rename(path)
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make a new name durable; Windows has no such call and needs none."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _check(path: Path, newest: int) -> None:
    """Raise JournalError unless the file is empty, or a sound journal that this plexctl understands."""
    with path.open("rb") as file:
        header = file.read(_HEADER_SIZE)
    if not header:
        return
    if len(header) < _HEADER_SIZE or not header.startswith(_MAGIC):
        raise sqlite3.DatabaseError("it is no journal, or damaged")
    _check_kind(path, _number(header[_APPLICATION_ID]), _number(header[_USER_VERSION]), newest)
    # Read-only: a connection that may write would check-point a damaged file when it closes. The kind is asked again
    # because the header lags behind the -wal file when whoever wrote last was killed.
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT_S, isolation_level=None)) as reader:
        reader.execute("BEGIN")  # one moment for all answers: another process may be migrating
        (verdict,) = reader.execute("PRAGMA quick_check(1)").fetchone()
        (application,) = reader.execute("PRAGMA application_id").fetchone()
        (version,) = reader.execute("PRAGMA user_version").fetchone()
        (tables,) = reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(f"it is damaged ({verdict})")
    _check_kind(path, application, version or tables, newest)


def _check_kind(path: Path, application: int, version: int, newest: int) -> None:
    """Raise JournalError unless the file is ours and not newer than us; without a version it may become ours."""
    if version and application != APPLICATION_ID:
        raise sqlite3.DatabaseError("it is another program's SQLite file")
    if version > newest:
        raise JournalError(
            f"the journal {path} was written by a newer plexctl (schema {version}; this one knows {newest})",
            hint="upgrade plexctl, or name another folder with PLEXCTL_HOME; the file was not touched",
        )


def _number(field: bytes) -> int:
    return int.from_bytes(field, "big")
