"""One deployment in the journal: what is read of it, and what adapters and flows write while they work on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from plexctl.model import Endpoint, Offer, Ref
from plexctl.spec import Spec

if TYPE_CHECKING:
    from plexctl.journal.store import Journal


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
    ready_at: float | None = None
    """When it was ready first; None as long as it never was."""


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
        return self._journal.intend(self._id, kind, name, text_of(dict(detail or {})))

    def created(self, key: int, resource_id: str, detail: Mapping[str, str] | None = None) -> None:
        """Record the id of what was created, and what else finds it."""
        self._journal.write(
            "UPDATE resources SET id = ?, detail = coalesce(?, detail), created_at = ? WHERE key = ?",
            (resource_id, None if detail is None else text_of(dict(detail)), self._journal.now, key),
        )

    def removed(self, key: int) -> None:
        """Record that a resource was read back as gone."""
        self._journal.write("UPDATE resources SET removed_at = ? WHERE key = ?", (self._journal.now, key))

    def reached(self, endpoint: Endpoint) -> None:
        """Record where callers go."""
        self._journal.write("UPDATE deployments SET endpoint = ? WHERE id = ?", (text_of(endpoint), self._id))

    def retry(self, provider: str, spec: Spec, offer: Offer) -> None:
        """Record that the deployment is tried with another offer, of another provider perhaps.

        Only after everything of the attempt before was read back as gone: nothing of that is recorded any more.
        """
        self._journal.retry(self._id, (provider, text_of(spec), text_of(offer)))

    def ready(self) -> None:
        """Record that it was ready; only the first time counts."""
        self._journal.write(
            "UPDATE deployments SET ready_at = coalesce(ready_at, ?) WHERE id = ?", (self._journal.now, self._id)
        )

    def unreached(self) -> None:
        """Record that nobody knows any more where callers go."""
        self._journal.write("UPDATE deployments SET endpoint = NULL WHERE id = ?", (self._id,))

    def respec(self, spec: Spec, offer: Offer) -> None:
        """Record that the deployment is brought to another spec in place."""
        self._journal.write(
            "UPDATE deployments SET spec = ?, offer = ? WHERE id = ?", (text_of(spec), text_of(offer), self._id)
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


def text_of(value: object) -> str:
    """Return a value as it stands in a column: JSON."""
    return msgspec.json.encode(value).decode()
