"""What is written to the journal and read from it. Each method is one durable transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import msgspec

from plexctl.errors import ConflictError, JournalError
from plexctl.journal.entry import Entry, Record, Wanted, text_of
from plexctl.journal.hosts import DeniedHost, read_denied, write_denied
from plexctl.journal.images import ImageRecord, read_images, write_image
from plexctl.journal.opening import connect, sqlite_errors
from plexctl.model import Endpoint, Offer, Ref, Resource
from plexctl.spec import Spec

_Row = tuple[str, str, str, str, str, str | None, str, float, float | None, float | None]
"""The columns of a deployment."""


def open_journal(home: Path, now: Callable[[], float]) -> Journal:
    """Open the journal in plexctl's folder; create it when there is none."""
    path = home / "journal.db"
    return Journal(connect(path), path, now)


class Journal:
    """All deployments of this machine and user."""

    def __init__(self, connection: sqlite3.Connection, path: Path, now: Callable[[], float]) -> None:
        self._connection = connection
        self._path = path
        self._now = now

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def records(self) -> list[Record]:
        """Return the deployments that are not gone, by name."""
        with sqlite_errors(self._path):
            rows = self._connection.execute(
                f"SELECT {_COLUMNS} FROM deployments WHERE gone_at IS NULL ORDER BY name"  # noqa: S608 - constants
            ).fetchall()
            return [self._record(row) for row in rows]

    def record(self, name: str) -> Record | None:
        """Return the deployment of that name that is not gone, or None."""
        return next((record for record in self.records() if record.ref.name == name), None)

    def providers(self) -> set[str]:
        """Return the providers of all deployments that were ever recorded here."""
        with sqlite_errors(self._path):
            return {row[0] for row in self._connection.execute("SELECT DISTINCT provider FROM deployments")}

    def ids_gone(self) -> set[str]:
        """Return the ids of deployments that were once recorded here and are read back as gone."""
        with sqlite_errors(self._path):
            rows = self._connection.execute("SELECT id FROM deployments WHERE gone_at IS NOT NULL")
            return {row[0] for row in rows}

    def begin(self, ref: Ref, spec: Spec, offer: Offer) -> Entry:
        """Record that a deployment begins, or begins again after it was gone. Raises ConflictError: the name is taken.

        What a destroy keeps at a provider is found again under the same id: nothing of that id's former life is.
        """
        row = (
            ref.id,
            ref.name,
            ref.provider,
            text_of(spec),
            text_of(offer),
            Wanted.RUNNING,
            self._now(),
        )
        taken = ConflictError(
            f"a deployment named {ref.name} exists already",
            hint=f"see `plexctl status {ref.name}`, or choose another --name",
        )
        with sqlite_errors(self._path):
            try:
                with self._transaction() as connection:
                    connection.execute(
                        "UPDATE resources SET removed_at = ? WHERE removed_at IS NULL AND deployment IN"
                        " (SELECT id FROM deployments WHERE id = ? AND gone_at IS NOT NULL)",
                        (self._now(), ref.id),
                    )
                    has_begun = connection.execute(
                        "INSERT INTO deployments (id, name, provider, spec, offer, wanted, created_at)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET name = excluded.name,"
                        " provider = excluded.provider, spec = excluded.spec, offer = excluded.offer,"
                        " wanted = excluded.wanted, created_at = excluded.created_at, endpoint = NULL,"
                        " expires_at = NULL, ready_at = NULL, gone_at = NULL WHERE gone_at IS NOT NULL",
                        row,
                    ).rowcount
            except sqlite3.IntegrityError as error:
                raise taken from error
        if not has_begun:
            raise taken
        return self.entry(ref.id)

    def adopt(self, ref: Ref, spec: Spec, offer: Offer, endpoint: Endpoint | None) -> Entry:
        """Record a deployment that was found at its provider, with its resources."""
        entry = self.begin(ref, spec, offer)
        for resource in ref.resources:
            key = entry.intend(resource.kind, resource.name, resource.detail)
            if resource.id is not None:
                entry.created(key, resource.id)
        if endpoint is not None:
            entry.reached(endpoint)
        return entry

    def entry(self, deployment_id: str) -> Entry:
        """Return the writable entry of a deployment."""
        return Entry(self, deployment_id)

    def write(self, sql: str, parameters: tuple[object, ...]) -> None:
        """Run one statement durably."""
        with sqlite_errors(self._path), self._transaction() as connection:
            connection.execute(sql, parameters)

    def intend(self, deployment_id: str, kind: str, name: str, detail: str) -> int:
        """Record that a resource is about to be created, or created again; returns the key of its row."""
        identity = (deployment_id, kind, name)
        with sqlite_errors(self._path), self._transaction() as connection:
            row = connection.execute(
                "UPDATE resources SET id = NULL, detail = ?, intended_at = ?"
                " WHERE deployment = ? AND kind = ? AND name = ? AND removed_at IS NULL RETURNING key",
                (detail, self._now(), *identity),
            ).fetchone()
            row = (
                row
                or connection.execute(
                    "INSERT INTO resources (deployment, kind, name, detail, intended_at) VALUES (?, ?, ?, ?, ?)"
                    " RETURNING key",
                    (*identity, detail, self._now()),
                ).fetchone()
            )
        key: int = row[0]
        return key

    def retry(self, deployment_id: str, row: tuple[str, str, str]) -> None:
        """Record another provider, spec and offer (JSON) for a deployment of which nothing exists."""
        with sqlite_errors(self._path), self._transaction() as connection:
            connection.execute(
                "UPDATE resources SET removed_at = ? WHERE deployment = ? AND removed_at IS NULL",
                (self._now(), deployment_id),
            )
            connection.execute(
                "UPDATE deployments SET provider = ?, spec = ?, offer = ?, endpoint = NULL, expires_at = NULL"
                " WHERE id = ?",
                (*row, deployment_id),
            )

    def record_image(self, image: ImageRecord) -> None:
        """Record an image that was built, and where it was pushed; again for the same one, it is brought up to date."""
        with sqlite_errors(self._path), self._transaction() as connection:
            write_image(connection, image)

    def images(self) -> list[ImageRecord]:
        """Return the images that were built or pushed here, newest first."""
        with sqlite_errors(self._path):
            return read_images(self._connection)

    def deny(self, denied: DeniedHost) -> None:
        """Record a host that no deploy takes for a while."""
        with sqlite_errors(self._path), self._transaction() as connection:
            write_denied(connection, denied, self._now())

    def denied_hosts(self) -> list[DeniedHost]:
        """Return the hosts that are not taken now."""
        with sqlite_errors(self._path):
            return read_denied(self._connection, self._now())

    @property
    def now(self) -> float:
        """Seconds since the epoch, by the clock given."""
        return self._now()

    def read(self, deployment_id: str) -> Record:
        """Return a deployment by id. Raises JournalError when there is none."""
        with sqlite_errors(self._path):
            row = self._connection.execute(
                f"SELECT {_COLUMNS} FROM deployments WHERE id = ?",  # noqa: S608 - constants
                (deployment_id,),
            ).fetchone()
        if row is None:
            raise JournalError(f"the journal holds no deployment {deployment_id}")
        return self._record(row)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def _record(self, row: _Row) -> Record:
        identity, name, provider, spec, offer, endpoint, wanted, created_at, expires_at, ready_at = row
        resources = self._connection.execute(
            "SELECT kind, name, id, detail FROM resources WHERE deployment = ? AND removed_at IS NULL ORDER BY key",
            (identity,),
        ).fetchall()
        with _readable(self._path, name):
            return Record(
                ref=Ref(provider, name, identity, tuple(_resource(*columns) for columns in resources)),
                spec=msgspec.json.decode(spec, type=Spec),
                offer=msgspec.json.decode(offer, type=Offer),
                endpoint=msgspec.json.decode(endpoint, type=Endpoint) if endpoint else None,
                wanted=Wanted(wanted),
                created_at=created_at,
                expires_at=expires_at,
                ready_at=ready_at,
            )


_COLUMNS = "id, name, provider, spec, offer, endpoint, wanted, created_at, expires_at, ready_at"


def _resource(kind: str, name: str, resource_id: str | None, detail: str) -> Resource:
    return Resource(kind, name, resource_id, msgspec.json.decode(detail, type=dict[str, str]))


@contextmanager
def _readable(path: Path, name: str) -> Iterator[None]:
    """Say of a row with fields or words that this plexctl does not know what it is: another version's."""
    try:
        yield
    except (msgspec.DecodeError, ValueError) as error:
        raise JournalError(
            f"the journal {path} holds {name} in words that this plexctl does not know: {error}",
            hint="use the plexctl that wrote it; it was not touched",
        ) from error
