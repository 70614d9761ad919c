"""What the journal's tests write: one deployment after another, and a writer that runs as a process of its own."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from plexctl.journal import Journal, open_journal
from plexctl.model import Endpoint, Offer, Ref, Resource
from plexctl.spec import Spec

NOW = 1_800_000_000.0
OFFER = Offer("local", None, 0, None, 0.0, "this machine", None)
ENDPOINT = Endpoint("http://127.0.0.1:8998", "ws://127.0.0.1:8998/api/chat", "none")


def at_noon() -> float:
    """Return the same moment always."""
    return NOW


def ref(name: str, identity: str = "abc234", *resources: Resource) -> Ref:
    """Return a reference to a local deployment."""
    return Ref("local", name, identity, resources)


def spec(name: str) -> Spec:
    """Return a spec that differs from the default in a nested field too."""
    return Spec(name=name, provider="local", engine="echo", env={"LOG_LEVEL": "info"}, secrets=("HF_TOKEN",))


@contextmanager
def journal_in(home: Path) -> Iterator[Journal]:
    """Open the journal of a folder with a clock that stands still."""
    with open_journal(home, at_noon) as journal:
        yield journal


def query(path: Path, sql: str) -> list[tuple[object, ...]]:
    """Ask the journal's file behind plexctl's back."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


def contents(folder: Path) -> dict[str, bytes | None]:
    """Return every file below a folder with its bytes; folders have None."""
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def write_deployments(home: Path, writer: str, count: int) -> None:
    """Write deployments, each in four transactions, and say each one's name once it is durable."""
    with open_journal(home, at_noon) as journal:
        for number in range(count):
            name = f"w{writer}-{number}"
            entry = journal.begin(ref(name, f"{writer}{number:05d}"), spec(name), OFFER)
            key = entry.intend("process", f"plexctl-{name}")
            entry.created(key, str(number), {"port": "8998"})
            entry.reached(ENDPOINT)
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    sys.stdout.write("started\n")
    sys.stdout.flush()
    sys.stdin.readline()
    write_deployments(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
