"""What plexctl does when its output is full, closed, or cannot spell; and what the tests' own guard refuses."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.process import Plexctl
from tests.conftest import LeftLoopbackError

needs_full = pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")


def shell(cli: Plexctl, redirected: str, *argv: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run plexctl by a shell that redirects its streams."""
    command = ["sh", "-c", f'exec "$0" -m plexctl "$@" {redirected}', sys.executable, *argv]
    return subprocess.run(
        command, env=cli.environment(extra), cwd=cli.work, capture_output=True, text=True, check=False, timeout=60
    )


@needs_full
@pytest.mark.parametrize("line", ["list", "list --json", "status nobody --json", "--version", "-h", "-h --json"])
def test_full_output_is_said_on_stderr(plexctl: Plexctl, line: str) -> None:
    """Where the output cannot be written, the reason is on stderr with its exit code, without a traceback."""
    done = shell(plexctl, ">/dev/full", *line.split())
    assert done.returncode == (10 if "nobody" in line else 3)
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("error: ") == 1
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("redirected", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_failure(plexctl: Plexctl, redirected: str) -> None:
    """Closed standard streams change neither the exit code nor what the open ones get."""
    assert shell(plexctl, redirected, "list", "--json").returncode == 0
    done = shell(plexctl, redirected, "destroy", "nobody")
    assert done.returncode == 10
    assert "Traceback" not in done.stderr


def test_any_encoding_can_carry_any_name(plexctl: Plexctl) -> None:
    """An output that lacks a letter shows it escaped."""
    done = shell(plexctl, "", "init", "\u00e9.toml", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert "\\xe9.toml" in done.stdout


def test_sockets_of_tests_stay_on_the_loopback() -> None:
    """Connecting, sending and resolving beyond this machine raise with the address; names in .invalid do not exist."""
    with socket.socket() as stream, socket.socket(type=socket.SOCK_DGRAM) as datagrams:
        for call in (stream.connect, stream.connect_ex):
            with pytest.raises(LeftLoopbackError, match=r"192\.0\.2\.1"):
                call(("192.0.2.1", 80))
        with pytest.raises(LeftLoopbackError, match=r"192\.0\.2\.1"):
            datagrams.sendto(b"", ("192.0.2.1", 53))
        assert stream.connect_ex(("127.0.0.1", 1)) != 0
    with pytest.raises(LeftLoopbackError, match=r"example\.org"):
        socket.getaddrinfo("example.org", 443)
    with pytest.raises(socket.gaierror):
        socket.getaddrinfo("nowhere.invalid", 443)


async def test_event_loops_stay_on_the_loopback_too() -> None:
    """Asyncio's connections go through the same guard."""
    with pytest.raises(LeftLoopbackError, match=r"192\.0\.2\.1"):
        await asyncio.open_connection("192.0.2.1", 80)
