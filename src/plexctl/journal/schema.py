"""The journal's tables, and how an older journal becomes a current one.

`PRAGMA user_version` counts the migrations applied. A migration is appended, never edited.
"""

from __future__ import annotations

import sqlite3

APPLICATION_ID = 0x706C7863  # "plxc", so that a foreign SQLite file is told from a journal

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE deployments (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        provider TEXT NOT NULL,
        spec TEXT NOT NULL,
        offer TEXT NOT NULL,
        endpoint TEXT,
        wanted TEXT NOT NULL,
        created_at REAL NOT NULL,
        expires_at REAL,
        gone_at REAL
    ) STRICT;
    CREATE UNIQUE INDEX live_names ON deployments (name) WHERE gone_at IS NULL;
    CREATE TABLE resources (
        key INTEGER PRIMARY KEY,
        deployment TEXT NOT NULL REFERENCES deployments (id),
        kind TEXT NOT NULL,
        name TEXT NOT NULL,
        id TEXT,
        detail TEXT NOT NULL,
        intended_at REAL NOT NULL,
        created_at REAL,
        removed_at REAL
    ) STRICT;
    CREATE INDEX resources_of ON resources (deployment) WHERE removed_at IS NULL;
    """,
    """
    CREATE TABLE images (
        key INTEGER PRIMARY KEY,
        profile TEXT NOT NULL,
        reference TEXT NOT NULL,
        id TEXT NOT NULL,
        digest TEXT,
        context TEXT NOT NULL,
        built_at REAL NOT NULL,
        pushed_at REAL,
        UNIQUE (profile, reference, id)
    ) STRICT;
    """,
    """
    ALTER TABLE deployments ADD COLUMN ready_at REAL;
    UPDATE deployments SET ready_at = created_at;
    CREATE TABLE denied_hosts (
        provider TEXT NOT NULL,
        host TEXT NOT NULL,
        reason TEXT NOT NULL,
        until REAL NOT NULL,
        PRIMARY KEY (provider, host)
    ) STRICT;
    """,
)


def migrate(connection: sqlite3.Connection, migrations: tuple[str, ...] = MIGRATIONS) -> None:
    """Bring the journal to the newest schema, one transaction a migration.

    Another process may be migrating at the same moment: the version is read again under the write lock. The file
    is checkpointed afterwards, so that its header alone tells its version to an older plexctl.
    """
    applied = False
    for version, script in enumerate(migrations, start=1):
        if _version(connection) >= version:
            continue
        try:
            connection.execute("BEGIN IMMEDIATE")
            if _version(connection) < version:
                for statement in script.split(";"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA user_version = {version}")
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute("COMMIT")
        except BaseException:
            # Ctrl-C may come between any two instructions: after the COMMIT too.
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        applied = True
    if applied:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _version(connection: sqlite3.Connection) -> int:
    row: tuple[int] = connection.execute("PRAGMA user_version").fetchone()
    return row[0]
