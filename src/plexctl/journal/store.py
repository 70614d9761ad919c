"""What is written to the journal and read from it. Each method is one durable transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self

import msgspec

from plexctl.errors import ConflictError, JournalError
from plexctl.journal.images import ImageRecord, read_images, write_image
from plexctl.journal.opening import connect, sqlite_errors
from plexctl.model import Endpoint, Offer, Ref, Resource
from plexctl.spec import Spec


class Wanted(StrEnum):
    """What the user last asked for; what is true may differ."""

    RUNNING = "running"
    STOPPED = "stopped"
    GONE = "gone"
    """Being destroyed: a destroy that was cut short is finished by the next one."""


@dataclass(frozen=True, slots=True)
class Record:
    """A deployment as recorded. Times are seconds since the epoch."""

    ref: Ref
    spec: Spec
    offer: Offer
    endpoint: Endpoint | None
    wanted: Wanted
    created_at: float
    expires_at: float | None


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

    def begin(self, ref: Ref, spec: Spec, offer: Offer) -> Entry:
        """Record that a deployment begins, or begins again after it was gone. Raises ConflictError: the name is taken.

        What a destroy keeps at a provider is found again under the same id: nothing of that id's former life is.
        """
        row = (
            ref.id,
            ref.name,
            ref.provider,
            _text(spec),
            _text(offer),
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
                        " expires_at = NULL, gone_at = NULL WHERE gone_at IS NOT NULL",
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

    def record_image(self, image: ImageRecord) -> None:
        """Record an image that was built, and where it was pushed; again for the same one, it is brought up to date."""
        with sqlite_errors(self._path), self._transaction() as connection:
            write_image(connection, image)

    def images(self) -> list[ImageRecord]:
        """Return the images that were built or pushed here, newest first."""
        with sqlite_errors(self._path):
            return read_images(self._connection)

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

    def _record(self, row: tuple[str, str, str, str, str, str | None, str, float, float | None]) -> Record:
        identity, name, provider, spec, offer, endpoint, wanted, created_at, expires_at = row
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
            )


class Entry:
    """One deployment in the journal; what adapters write to (`contract.DeploymentJournal`)."""

    def __init__(self, journal: Journal, deployment_id: str) -> None:
        self._journal = journal
        self._id = deployment_id

    @property
    def record(self) -> Record:
        """The deployment as recorded now."""
        return self._journal.read(self._id)

    @property
    def ref(self) -> Ref:
        """The deployment with what is recorded of its resources so far."""
        return self.record.ref

    def intend(self, kind: str, name: str, detail: Mapping[str, str] | None = None) -> int:
        """Record, durably, that a resource is about to be created; returns the entry's key.

        A resource that is made anew under the same name keeps its entry and loses its id until `created`.
        """
        return self._journal.intend(self._id, kind, name, _text(dict(detail or {})))

    def created(self, key: int, resource_id: str, detail: Mapping[str, str] | None = None) -> None:
        """Record the id of what was created, and what else finds it."""
        self._journal.write(
            "UPDATE resources SET id = ?, detail = coalesce(?, detail), created_at = ? WHERE key = ?",
            (resource_id, None if detail is None else _text(dict(detail)), self._journal.now, key),
        )

    def removed(self, key: int) -> None:
        """Record that a resource was read back as gone."""
        self._journal.write("UPDATE resources SET removed_at = ? WHERE key = ?", (self._journal.now, key))

    def reached(self, endpoint: Endpoint) -> None:
        """Record where callers go."""
        self._journal.write("UPDATE deployments SET endpoint = ? WHERE id = ?", (_text(endpoint), self._id))

    def respec(self, spec: Spec, offer: Offer) -> None:
        """Record that the deployment is brought to another spec in place."""
        self._journal.write(
            "UPDATE deployments SET spec = ?, offer = ? WHERE id = ?", (_text(spec), _text(offer), self._id)
        )

    def expires(self, expires_at: float | None) -> None:
        """Record when a deployment that is started now ends by itself, in seconds since the epoch; None: never."""
        self._journal.write("UPDATE deployments SET expires_at = ? WHERE id = ?", (expires_at, self._id))

    def want(self, wanted: Wanted) -> None:
        """Record what the user asked for, before it is done."""
        self._journal.write("UPDATE deployments SET wanted = ? WHERE id = ?", (wanted, self._id))

    def gone(self) -> None:
        """Record that everything was read back as gone; the name is free again."""
        self._journal.write("UPDATE deployments SET gone_at = ? WHERE id = ?", (self._journal.now, self._id))


_COLUMNS = "id, name, provider, spec, offer, endpoint, wanted, created_at, expires_at"


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()


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
