"""Real processes that write at once, are killed, or meet a full disk: what was acknowledged is there."""

from __future__ import annotations

import random
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from tests.unit.journal import samples
from tests.unit.journal.samples import ENDPOINT, OFFER, contents, journal_in, query, ref, spec

from plexctl.errors import JournalError
from plexctl.model import Resource

WRITERS = 6
EACH = 15
KILLS = 12
PLENTY = 100_000


@contextmanager
def _writer(home: Path, name: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """Start a process that writes `count` deployments once it is sent a line."""
    process = subprocess.Popen(
        [sys.executable, "-m", samples.__name__, str(home), name, str(count)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    with process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "started\n"
            yield process
        finally:
            process.kill()


def _go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def _names(home: Path) -> set[str]:
    with journal_in(home) as journal:
        records = journal.records()
    assert all(record.ref.resources[0].detail == {"port": "8998"} for record in records if record.endpoint)
    return {record.ref.name for record in records if record.endpoint == ENDPOINT}


def test_many_processes_write_at_once_and_lose_nothing(tmp_path: Path) -> None:
    """From the first open of a journal that is not there yet on: no lost write, nobody hears `database is locked`."""
    home = tmp_path / "home"
    with ExitStack() as stack:
        processes = [stack.enter_context(_writer(home, str(number), EACH)) for number in range(WRITERS)]
        for process in processes:
            _go(process)
        said = [process.communicate(timeout=60)[0].split() for process in processes]
    assert [process.returncode for process in processes] == [0] * WRITERS
    assert {name for names in said for name in names} == _names(home)
    assert len(_names(home)) == WRITERS * EACH
    assert query(home / "journal.db", "PRAGMA quick_check") == [("ok",)]


def test_killed_at_any_point_every_acknowledged_write_is_there(tmp_path: Path) -> None:
    """SIGKILL in the middle of writing, again and again on one journal: it opens, is sound and complete."""
    chance = random.Random(20)  # noqa: S311 - points to kill at, not secrets
    acknowledged: set[str] = set()
    for kill in range(KILLS):
        with _writer(tmp_path, str(kill), PLENTY) as process:
            assert process.stdout is not None
            _go(process)
            for _ in range(chance.randrange(8)):
                acknowledged.add(process.stdout.readline().strip())
            process.send_signal(signal.SIGKILL)
            # Not `communicate`: it reads past what `readline` has taken in already, and loses that.
            acknowledged |= set(process.stdout.read().split())
        names = _names(tmp_path)
        assert acknowledged <= names
        assert len(names - acknowledged) <= kill + 1  # at most the one that was being written when each was killed
        assert query(tmp_path / "journal.db", "PRAGMA quick_check") == [("ok",)]


def _fill(home: Path) -> tuple[set[str], JournalError]:
    """Write until the journal says that it cannot; return what was acknowledged and what it said."""
    written: set[str] = set()
    with journal_in(home) as journal:
        journal._connection.execute("PRAGMA max_page_count = 12")
        try:
            for number in range(PLENTY):
                entry = journal.begin(ref(f"voice-{number}", f"id{number}"), spec(f"voice-{number}"), OFFER)
                written.add(entry.ref.name)
        except JournalError as error:
            return written, error
    raise AssertionError("it never filled up")


def test_a_full_disk_is_said_and_loses_nothing(tmp_path: Path) -> None:
    """SQLite's own word for a full disk becomes a JournalError with the way out; earlier writes stay."""
    written, error = _fill(tmp_path)
    assert "full" in error.message
    assert "free disk space" in (error.hint or "")
    assert written
    with journal_in(tmp_path) as journal:
        assert {record.ref.name for record in journal.records()} == written


def test_a_full_disk_in_every_kind_of_write_is_a_journal_error(tmp_path: Path) -> None:
    """Whatever is being written when the disk fills up, the answer is one kind of error."""
    big = {"detail": "x" * 200_000}
    with journal_in(tmp_path) as journal:
        entry = journal.begin(ref("voice"), spec("voice"), OFFER)
        key = entry.intend("pod", "a")
        journal._connection.execute("PRAGMA max_page_count = 12")
        with pytest.raises(JournalError, match="full"):
            entry.intend("pod", "b", big)
        with pytest.raises(JournalError, match="full"):
            entry.created(key, "1", big)
        with pytest.raises(JournalError, match="full"):
            journal.adopt(ref("other", "id2", Resource("pod", "c", None, big)), spec("other"), OFFER, None)
        assert entry.ref.resources == (Resource("pod", "a", None),)


_LIMITED = f"""
import resource, sys
from pathlib import Path
from plexctl.errors import JournalError
from {samples.__name__} import write_deployments
resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, 64 * 1024))
try:
    write_deployments(Path(sys.argv[1]), "x", {PLENTY})
except JournalError as error:
    print("said", error.exit_code)
"""


def test_the_systems_own_limit_is_met_without_loss(tmp_path: Path) -> None:
    """The kernel refuses to let the file grow (RLIMIT_FSIZE): JournalError, and what was acknowledged is there."""
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[1] in (resource.RLIM_INFINITY, -1)
    child = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
        timeout=60,
    )
    *acknowledged, last = child.stdout.splitlines()
    assert last == "said 3"
    assert acknowledged
    assert set(acknowledged) <= _names(tmp_path)


def test_a_process_killed_while_it_makes_the_journal_leaves_no_trap(tmp_path: Path) -> None:
    """Killed at any point of the very first open, the next plexctl finds nothing or a journal, never a ruin."""
    chance = random.Random(21)  # noqa: S311 - points to kill at, not secrets
    for kill in range(KILLS):
        home = tmp_path / str(kill)
        with _writer(home, "w", PLENTY) as process:
            _go(process)
            steps = chance.randrange(600)
            while steps and process.poll() is None:
                steps -= home.exists()
            process.kill()
        with journal_in(home) as journal:
            assert isinstance(journal.records(), list)
        assert "journal.db" in contents(home)
