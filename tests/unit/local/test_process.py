"""The files by which a process is found again: locks, logs and ports, without any gateway."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from plexctl.errors import ConfigurationError, ConflictError
from plexctl_providers.local import process
from plexctl_providers.local.process import RunFolder

HOLDER = """
import os, signal, sys
def last_words(*_):
    os.write(1, b"ended\\n"); os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in sys.argv else last_words)
sys.stdout.write("here\\n"); sys.stdout.flush()
while True: signal.pause()
"""


@contextmanager
def held(path: Path) -> Iterator[int]:
    """Hold the lock as a living deployment does; yields the descriptor."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def living(folder: RunFolder, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Run a process that alone holds a folder's lock, as a gateway does after its CLI has gone."""
    with held(folder.lock) as descriptor:
        one = subprocess.Popen(
            [sys.executable, "-c", HOLDER, *arguments],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            pass_fds=(descriptor,),
        )
        os.pwrite(descriptor, f"{one.pid}\n".encode(), 0)
    with one:
        try:
            assert one.stdout is not None
            assert one.stdout.readline() == "here\n"
            yield one
        finally:
            one.kill()


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """Give a deployment's empty folder."""
    return RunFolder(tmp_path)


def test_only_a_held_lock_is_life(folder: RunFolder) -> None:
    """No file: dead. A file with a number: dead. A lock that is held: alive, whatever the file says."""
    assert not folder.is_alive()
    folder.lock.write_text(f"{os.getpid()}\n")
    assert not folder.is_alive()
    with held(folder.lock):
        assert folder.is_alive()
        assert folder.pid() == os.getpid()
    assert not folder.is_alive()


def test_many_who_look_at_once_do_not_take_each_other_for_the_process(folder: RunFolder) -> None:
    """Looking takes a shared lock: a hundred lookers of a dead deployment all see it dead."""
    folder.lock.touch()
    with ThreadPoolExecutor(8) as pool:
        assert not any(pool.map(lambda _: folder.is_alive(), range(2_000)))


@pytest.mark.parametrize("content", ["", "\n", "abc\n", "12 13\n"])
def test_a_half_written_id_is_none(folder: RunFolder, content: str) -> None:
    """Between the truncation and the gateway's first write there is no id to act on."""
    folder.lock.write_text(content)
    assert folder.pid() is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open anything")
def test_another_users_lock_is_an_error_in_words(folder: RunFolder) -> None:
    """What may not be looked at is neither dead nor alive."""
    folder.lock.touch(mode=0o000)
    with pytest.raises(ConfigurationError, match="look at"):
        folder.is_alive()


def test_the_end_of_a_dead_one_is_success_and_kills_nobody(folder: RunFolder) -> None:
    """The id of a stranger in a lock that nobody holds is not signalled: this very process lives on."""
    folder.lock.write_text(f"{os.getpid()}\n")
    assert process.end(folder, grace_s=0)


def test_a_polite_process_is_ended_politely(folder: RunFolder) -> None:
    """SIGTERM first: it may say its last words."""
    with living(folder) as one:
        assert folder.is_alive()
        assert process.end(folder, grace_s=10)
        assert one.stdout is not None
        assert one.stdout.readline() == "ended\n"
        assert not folder.is_alive()


def test_a_deaf_process_is_killed(folder: RunFolder) -> None:
    """SIGKILL to the group after the grace, and the lock is read back as free."""
    with living(folder, "deaf") as one:
        assert process.end(folder, grace_s=0.05)
        assert one.wait(10) == -signal.SIGKILL


def test_a_frozen_process_is_woken_to_end_in_order(folder: RunFolder) -> None:
    """SIGSTOP does not make the end wait for the grace."""
    with living(folder) as one:
        os.kill(one.pid, signal.SIGSTOP)
        assert process.end(folder, grace_s=10)
        assert one.wait(10) == 0


def test_the_port_asked_for_or_a_conflict() -> None:
    """A port in use is an error that names it; nobody else can have it while we hold it."""
    with process.listen(None, 20_000) as free:
        port = free.getsockname()[1]
        with pytest.raises(ConflictError, match=f"127.0.0.1:{port}"):
            process.listen(port, 20_000)
    with process.listen(port, 20_000) as again:
        assert again.getsockname()[1] == port


def test_the_next_free_port_when_none_was_asked_for() -> None:
    """From the first one on, past those in use; at the end of the range, any."""
    with process.listen(None, 20_000) as first:
        port = first.getsockname()[1]
        with process.listen(None, port) as second:
            assert second.getsockname()[1] > port
    with socket.create_server(("127.0.0.1", 0)), process.listen(None, 65_535) as last:
        assert last.getsockname()[1] > 0


@pytest.mark.parametrize(
    ("tail", "expected"), [(None, ["a", "b", "c"]), (2, ["b", "c"]), (9, ["a", "b", "c"]), (0, [])]
)
def test_the_last_lines_of_a_log(tmp_path: Path, tail: int | None, expected: list[str]) -> None:
    """As many as asked for, the unfinished last one too."""
    (tmp_path / "log").write_text("a\nb\nc")
    assert list(process.read(tmp_path / "log", tail)) == expected
    assert list(process.read(tmp_path / "none", tail)) == []


def test_bytes_that_are_no_text_do_not_end_the_reading(tmp_path: Path) -> None:
    """A log may hold anything; carriage returns stay within their line."""
    (tmp_path / "log").write_bytes(b"a\xff\r50%\r100%\nb\n")
    assert list(process.read(tmp_path / "log")) == ["a\ufffd\r50%\r100%", "b"]


def test_following_misses_no_line_written_while_the_first_ones_are_read(tmp_path: Path) -> None:
    """What is appended between two lines of the reader, and at its very end, comes too, each once, in order."""
    log = tmp_path / "log"
    log.write_text("a\nb\nhalf a")
    steps = iter([("", True), (" line\n", True), ("c\nd", False)])

    def goes_on() -> bool:
        text, more = next(steps)
        with log.open("a") as stream:
            stream.write(text)
        return more

    lines = process.read(log, 2, goes_on)
    assert next(lines) == "b"
    assert list(lines) == ["half a line", "c", "d"]
