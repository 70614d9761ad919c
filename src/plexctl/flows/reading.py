"""`logs`: what a deployment printed."""

from __future__ import annotations

from collections.abc import Iterator

from plexctl.flows.session import Session
from plexctl.model import LogLine


def read_logs(session: Session, name: str, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
    """Yield log lines, oldest first. Raises NotFoundError for an unknown name, before the first line."""
    record = session.record(name)
    return session.provider(record.ref.provider).logs(record.ref, follow=follow, since=since, tail=tail)
