"""Hosts that no deploy takes for a while, as the journal keeps them: each failed a start, and says why."""

from __future__ import annotations

import sqlite3
from dataclasses import astuple, dataclass


@dataclass(frozen=True, slots=True)
class DeniedHost:
    """A machine of a provider that failed a start; `until` is in seconds since the epoch."""

    provider: str
    host: str
    """As `Offer.detail["host"]` names it."""
    reason: str
    until: float


def write_denied(connection: sqlite3.Connection, denied: DeniedHost, now: float) -> None:
    """Write a host, with the newest reason for it; those whose time is over are dropped."""
    connection.execute("DELETE FROM denied_hosts WHERE until <= ?", (now,))
    connection.execute("INSERT OR REPLACE INTO denied_hosts VALUES (?, ?, ?, ?)", astuple(denied))


def read_denied(connection: sqlite3.Connection, now: float) -> list[DeniedHost]:
    """Return the hosts whose time is not over."""
    rows = connection.execute(
        "SELECT provider, host, reason, until FROM denied_hosts WHERE until > ? ORDER BY provider, host", (now,)
    ).fetchall()
    return [DeniedHost(*row) for row in rows]
