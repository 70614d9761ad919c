"""Commands on a real host: what they are given, what comes back, and what becomes of those that do not end."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.ssh.rig import Sshd, Wire, sshd, until, wire_to

from plexctl.errors import ProviderError
from plexctl.secret import Secret
from plexctl_providers._common.ssh.connection import Connection, connect
from plexctl_providers._common.ssh.errors import CommandFailedError, CommandTimeoutError, ConnectionLostError
from plexctl_providers._common.ssh.running import Finished

pytestmark = pytest.mark.real
LARGE = 5_000_000
"""Bytes; more than twice the window of a channel."""


@contextmanager
def wired(server: Sshd, keepalive_s: float = 15) -> Iterator[tuple[Connection, Wire]]:
    """Give a connection by way of a wire that can be cut and frozen."""
    with wire_to(server.port) as wire:
        login = replace(server.login, destination=replace(server.destination, port=wire.port))
        with connect(login, keepalive_s=keepalive_s) as connection:
            yield connection, wire


def sh(script: str) -> list[str]:
    """Return a command line for a script."""
    return ["sh", "-c", script]


def test_a_command_s_end_is_told_apart(connection: Connection) -> None:
    """Exit code and both outputs come back; a code that is not 0 is no error; a signal is -1."""
    assert connection.run(sh("echo one; echo two >&2; exit 3")) == Finished(3, "one\n", "two\n")
    assert connection.run(["true"]) == Finished(0, "", "")
    assert connection.run(["no-such-command"]).code == 127
    assert connection.run(sh("kill -9 $$")).code == -1


def test_arguments_arrive_as_they_are(connection: Connection) -> None:
    """No shell on the way changes spaces, quotes, dollars, newlines, globs or other letters."""
    arguments = ["a b", "it's", '"', "$HOME", "*", "x\ny", "\\", ";", "", "gr\u00fc\u00dfe"]
    done = connection.run(["printf", "%s\\0", *arguments])
    assert done.out.split("\0")[:-1] == arguments


def test_input_larger_than_a_window_goes_in_while_output_comes_out(connection: Connection) -> None:
    """Megabytes both ways at once do not lock up, and not a byte is lost."""
    data = bytes(range(256)) * (LARGE // 256)
    done = connection.run(sh("tee /dev/stderr | sha256sum; head -c 5000000 /dev/zero"), stdin=data)
    assert done.out.split()[0] == hashlib.sha256(data).hexdigest()
    assert done.out.count("\0") == LARGE
    assert len(done.err) > LARGE // 2


def test_a_command_that_does_not_read_its_input_ends_as_it_does(connection: Connection) -> None:
    """Input that nobody wants is dropped."""
    assert connection.run(sh("echo done; exit 4"), stdin=b"x" * LARGE) == Finished(4, "done\n", "")
    assert connection.run(sh("exec >&- 2>&-; cat >/dev/null; exit 5"), stdin=b"x" * LARGE).code == 5


def test_a_secret_goes_in_by_standard_input_alone(connection: Connection) -> None:
    """What the command reads is the secret itself; nobody finds it among the arguments of processes."""
    script = "cat; cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' >&2"
    done = connection.run(sh(script), stdin=Secret("canary-of-stdin"))
    assert done.out == "canary-of-stdin"
    assert "sshd" in done.err
    assert "canary-of-stdin" not in done.err


def test_lines_are_heard_as_they_come(connection: Connection) -> None:
    """Both outputs are heard line by line while the command runs: it waits here for what hearing a line sets off."""
    heard: list[str] = []

    def hear(line: str) -> None:
        heard.append(line)
        if line == "second":
            connection.run(["touch", flag])

    flag = connection.run(["mktemp", "-u"]).out.strip()
    script = f"echo first; echo second >&2; until [ -e {flag} ]; do sleep 0.05; done; rm {flag}; printf last"
    assert connection.run(sh(script), on_line=hear, timeout_s=20).out == "first\nlast"
    assert sorted(heard[:2]) == ["first", "second"]
    assert heard[2:] == ["last"]


def test_an_error_of_who_hears_is_no_error_of_the_connection(connection: Connection) -> None:
    """A broken pipe of this computer's own output is passed on as it is."""

    def hear(line: str) -> None:
        raise BrokenPipeError(line)

    with pytest.raises(BrokenPipeError, match="one"):
        connection.run(["echo", "one"], on_line=hear)
    assert connection.is_alive()


def test_rubbish_is_text_all_the_same(connection: Connection) -> None:
    """Bytes that are no UTF-8, carriage returns and a line without an end do no harm."""
    heard: list[str] = []
    connection.run(sh("printf 'a\\377b\\r\\n\\n'; head -c 200000 /dev/zero"), on_line=heard.append)
    assert heard[:2] == ["a\ufffdb", ""]
    assert sum(map(len, heard[2:])) == 200000
    assert len(heard) > 3


def test_a_command_that_never_ends_meets_its_time_limit(connection: Connection) -> None:
    """It is left after its time, silent or not, and the connection goes on."""
    for script in ("sleep 60", "while :; do echo again; sleep 0.05; done", "exec >&- 2>&-; sleep 60"):
        began = time.monotonic()
        with pytest.raises(CommandTimeoutError, match=r"`sh` on .* did not end within 0\.3 s"):
            connection.run(sh(script), timeout_s=0.3)
        assert time.monotonic() - began < 5
    assert connection.run(["echo", "still"]).out == "still\n"


def test_a_stream_of_lines_ends_with_the_command(connection: Connection) -> None:
    """Lines come one by one; the last one may lack its end; a failure is raised with the command's last words."""
    assert list(connection.lines(sh("echo one; echo; printf two"))) == ["one", "", "two"]
    assert list(connection.lines(["cat"], stdin=b"a\nb")) == ["a", "b"]
    with pytest.raises(CommandFailedError, match=r"`sh` on .* ended with 3: it is so"):
        list(connection.lines(sh("echo 'it is so' >&2; echo one; exit 3")))


def test_a_stream_of_lines_can_be_left(connection: Connection) -> None:
    """Closing the iterator ends the command, which is told by a closed pipe, and not the connection."""
    lines = connection.lines(sh("while :; do echo $$ || exit 1; sleep 0.05; done"))
    pid = next(lines)
    lines.close()  # type: ignore[attr-defined]
    until(lambda: connection.run(["kill", "-0", pid]).code != 0)


def test_a_connection_that_is_cut_is_lost_at_once(server: Sshd) -> None:
    """A command, a stream of lines, and whatever comes afterwards, all say so."""
    with wired(server) as (connection, wire):
        lines = connection.lines(sh("echo one; sleep 60"))
        assert next(lines) == "one"
        cutter = threading.Timer(0.2, wire.cut)
        cutter.start()
        with pytest.raises(ConnectionLostError, match="broke"):
            connection.run(["sleep", "60"])
        with pytest.raises(ConnectionLostError, match="broke"):
            next(lines)
        with pytest.raises(ConnectionLostError, match="broke"):
            connection.run(["true"])
        with pytest.raises(ConnectionLostError, match="broke"):
            connection.put("never", b"x", mode=0o600)
        with pytest.raises(ConnectionLostError, match="broke"):
            connection.open("127.0.0.1", 22)
        assert not connection.is_alive()
        cutter.join()


def test_a_host_that_gives_no_sign_of_life_is_given_up(server: Sshd) -> None:
    """A network that swallows everything, which TCP would wait for, is found out by the keepalive."""
    with wired(server, keepalive_s=0.7) as (connection, wire):
        lines = connection.lines(sh("echo one; sleep 60"))
        assert next(lines) == "one"
        wire.is_thawed.clear()
        with pytest.raises(ConnectionLostError):
            next(lines)
        assert not connection.is_alive()


def test_a_quiet_connection_is_kept(server: Sshd) -> None:
    """A command that says nothing for many keepalives is not taken for a dead host."""
    with wired(server, keepalive_s=0.7) as (connection, _):
        assert connection.run(["sleep", "2.5"]).code == 0


def test_a_host_that_runs_nothing_else_is_said(tmp_path: Path) -> None:
    """More sessions than sshd allows are an error of the host, and the connection is still there."""
    with sshd(tmp_path, "MaxSessions 1") as one, connect(one.login) as connection:
        lines = connection.lines(sh("echo one; sleep 60"))
        assert next(lines) == "one"
        with pytest.raises(ProviderError, match="refuses what is asked") as caught:
            connection.run(["true"])
        assert not isinstance(caught.value, ConnectionLostError)
        assert "MaxSessions" in (caught.value.hint or "")
        assert connection.is_alive()


def test_commands_run_side_by_side(connection: Connection) -> None:
    """Several threads share a connection."""
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda word=word: found.append(connection.run(["echo", word]).out)) for word in "abcdef"
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(found) == [f"{word}\n" for word in "abcdef"]
