"""Images that were built and pushed from this machine, as the journal keeps them."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class ImageRecord:
    """An image as the engine and the registry told of it. Times are seconds since the epoch."""

    profile: str
    reference: str
    """`repository:tag`."""
    id: str
    digest: str | None
    """`sha256:...` at the registry; None until it is pushed."""
    context: str
    """SHA-256 (hex) of everything that it was built from."""
    built_at: float
    pushed_at: float | None = None

    @property
    def pinned(self) -> str | None:
        """`repository@sha256:...`, None until it is pushed."""
        repository = self.reference.rpartition(":")[0]
        return None if self.digest is None else f"{repository}@{self.digest}"


def write_image(connection: sqlite3.Connection, image: ImageRecord) -> None:
    """Write an image; what is known of the same one stays where this says nothing."""
    connection.execute(
        f"INSERT INTO images ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - constants
        " ON CONFLICT (profile, reference, id) DO UPDATE SET context = excluded.context, built_at = excluded.built_at,"
        " digest = coalesce(excluded.digest, digest), pushed_at = coalesce(excluded.pushed_at, pushed_at)",
        astuple(image),
    )


def read_images(connection: sqlite3.Connection) -> list[ImageRecord]:
    """Return all images, newest first."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM images"  # noqa: S608 - constants
        " ORDER BY max(built_at, coalesce(pushed_at, built_at)) DESC, key DESC"
    ).fetchall()
    return [ImageRecord(*row) for row in rows]


_COLUMNS = "profile, reference, id, digest, context, built_at, pushed_at"
