"""The process itself: how it starts, what it refuses, how it ends, and what it inherits."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import socket
import sys
import time
from pathlib import Path

import pytest
from tests.gateway.rig import TOKEN, Gateway, environment, refused, running, start, until
from tests.gateway.wire import Wire, audio, frame


def is_there(pid: int) -> bool:
    """Tell whether there is a process, dead or alive."""
    return Path(f"/proc/{pid}").exists()


def command_line(pid: int) -> str:
    """Return what everybody on this machine can read of a process."""
    return Path(f"/proc/{pid}/cmdline").read_text()


def inherited_files(pid: int) -> set[Path]:
    """Return the files that a process holds open."""
    return {entry.resolve() for entry in Path(f"/proc/{pid}/fd").iterdir()}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PLEXCTL_HOST": "0.0.0.0"}, "PLEXCTL_TOKEN"),
        ({"PLEXCTL_HOST": "::"}, "PLEXCTL_TOKEN"),
        ({"PLEXCTL_PORT": "99999"}, "PLEXCTL_PORT"),
        ({"PLEXCTL_PORT": f"{'0' * 20}99999"}, "PLEXCTL_PORT"),
        ({"PLEXCTL_ENGINE": "whisper"}, "PLEXCTL_ENGINE"),
        ({"PLEXCTL_ENGINE": "personaplex"}, "PLEXCTL_ENGINE_PYTHON"),
        ({"PLEXCTL_ENGINE": "personaplex", "PLEXCTL_ENGINE_PYTHON": "/no/python"}, "PLEXCTL_ENGINE_PYTHON"),
        ({"PLEXCTL_ENGINES": "many"}, "PLEXCTL_ENGINES"),
        ({"PLEXCTL_VOICE": "../x.pt"}, "PLEXCTL_VOICE"),
        ({"PLEXCTL_TEXT_PROMPT": "x" * 1001}, "PLEXCTL_TEXT_PROMPT"),
        ({"PLEXCTL_EXPIRES_AT": "tomorrow"}, "PLEXCTL_EXPIRES_AT"),
        ({"PLEXCTL_IDLE_TIMEOUT_S": "-1"}, "PLEXCTL_IDLE_TIMEOUT_S"),
        ({"PLEXCTL_TOKEN": "with space"}, "PLEXCTL_TOKEN"),
        ({"PLEXCTL_PID_FD": "77"}, "PLEXCTL_PID_FD"),
        ({"PLEXCTL_LISTEN_FD": "77"}, "PLEXCTL_LISTEN_FD"),
    ],
)
async def test_a_wrong_setting_is_one_line_and_exit_code_3(variables: dict[str, str], words: str) -> None:
    """The line names the variable, and no traceback comes with it."""
    code, output = await refused(**variables)
    assert code == 3, output
    assert len(output.splitlines()) == 1
    assert words in output


async def test_a_taken_port_is_one_line_and_exit_code_11(gateway: Gateway) -> None:
    """A second gateway on the same port says so and ends with 11."""
    code, output = await refused(PLEXCTL_PORT=str(gateway.port))
    assert code == 11
    assert str(gateway.port) in output
    assert len(output.splitlines()) == 1


async def test_port_is_taken_from_port_when_the_platform_sets_that() -> None:
    """Cloud platforms say PORT; plexctl's own variable wins."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        free = taken.getsockname()[1]
    gateway = await start(PLEXCTL_PORT="", PORT=str(free))
    assert gateway.port == free
    assert await gateway.stop() == 0


async def test_ipv6_hosts_are_listened_on() -> None:
    """The loopback of IPv6 works as a host."""
    gateway = await start(PLEXCTL_HOST="::1")
    try:
        assert "http://[::1]:" in await gateway.line("listening on")
        reader, writer = await asyncio.open_connection("::1", gateway.port)
        writer.write(b"GET /livez HTTP/1.0\r\n\r\n")
        assert b"200" in await reader.readline()
        writer.close()
    finally:
        assert await gateway.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_exits_0(number: signal.Signals) -> None:
    """New callers are told no, the live one goes on and is closed with 1001 when the drain is over."""
    async with running(PLEXCTL_DRAIN_TIMEOUT_S="1.5") as gateway:
        (engine,) = gateway.engine_pids()
        wire = await gateway.wire()
        await wire.handshake()
        gateway.process.send_signal(number)
        assert (await gateway.state("draining"))["state"] == "draining"
        async with gateway.session.get(f"{gateway.url}/api/chat") as answer:
            assert (answer.status, await answer.json()) == (503, {"error": "draining"})
        wire.send(frame(2, audio()))
        assert (await wire.frame()).payload == audio()
        assert (await wire.until_close()).close_code == 1001
        await wire.close()
        async with asyncio.timeout(10):
            assert await gateway.process.wait() == 0
        assert not is_there(engine)


async def test_a_drain_ends_as_soon_as_the_last_caller_left() -> None:
    """Nobody waits for a time-out when there is nobody to wait for."""
    async with running(PLEXCTL_DRAIN_TIMEOUT_S="60") as gateway:
        wire = await gateway.wire()
        await wire.handshake()
        gateway.process.terminate()
        await gateway.state("draining")
        wire.send(frame(8, b"\x03\xe8"))
        async with asyncio.timeout(10):
            assert await gateway.process.wait() == 0
        await wire.close()


async def test_the_expiry_ends_the_gateway() -> None:
    """At PLEXCTL_EXPIRES_AT the gateway drains and exits 0, ISO or Unix seconds."""
    gateway = await start(PLEXCTL_EXPIRES_AT=str(time.time() + 1))
    async with asyncio.timeout(10):
        assert await gateway.process.wait() == 0
    await gateway.line("draining: expired")
    await gateway.stop()


async def test_idleness_ends_the_gateway() -> None:
    """Without a conversation for PLEXCTL_IDLE_TIMEOUT_S the gateway drains and exits 0."""
    gateway = await start(PLEXCTL_IDLE_TIMEOUT_S="1")
    async with asyncio.timeout(10):
        assert await gateway.process.wait() == 0
    await gateway.line("no conversation for 1 s")
    await gateway.stop()


async def test_logs_can_be_followed(gateway: Gateway) -> None:
    """follow=1 gives the tail and then each new line as it comes."""
    async with gateway.session.get(f"{gateway.url}/logs?tail=1&follow=1") as answer:
        first = await answer.content.readline()
        wire = await gateway.wire()
        async with asyncio.timeout(5):
            second = await answer.content.readline()
        assert first
        assert b"conversation 1 begins" in second
        await wire.close()


async def test_a_canary_token_is_nowhere_to_be_seen() -> None:
    """Not in output, not in argv of any child."""
    gateway = await start(PLEXCTL_TOKEN=TOKEN)
    await gateway.state("ready")
    wire = await gateway.wire(f"?token={TOKEN}")
    await wire.handshake()
    await wire.close()
    for pid in [gateway.process.pid, *gateway.engine_pids()]:
        assert TOKEN not in command_line(pid)
    await gateway.stop()
    assert TOKEN not in "\n".join(gateway.lines)


async def test_inherited_socket_and_locked_pid_file(tmp_path: Path) -> None:
    """The local provider's way: the socket is used as it is, the pid is written first, engines hold the lock too."""
    listener = socket.create_server(("127.0.0.1", 0))
    path = tmp_path / "pid"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.write(descriptor, b"something much longer than a pid\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "plexctl.gateway",
        env=environment(PLEXCTL_LISTEN_FD=str(listener.fileno()), PLEXCTL_PID_FD=str(descriptor)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        pass_fds=(listener.fileno(), descriptor),
    )
    os.close(descriptor)
    port = listener.getsockname()[1]
    listener.close()
    gateway = Gateway(process)
    gateway.port = port
    await gateway.line("listening on")
    assert path.read_text() == f"{process.pid}\n"
    await gateway.state("ready")
    (engine,) = gateway.engine_pids()
    assert os.getpgid(engine) == os.getpgid(process.pid)
    assert path in inherited_files(engine)
    with path.open("r") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    assert await gateway.stop() == 0

    async def unlocked() -> bool | None:
        with path.open("r") as other:
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return None
        return True

    await until(unlocked, 5)


async def test_a_second_gateway_may_use_the_port_of_a_stopped_one() -> None:
    """A port is free at once after the gateway has ended."""
    first = await start(PLEXCTL_DRAIN_TIMEOUT_S="0.2")
    await first.state("ready")
    wire = await first.wire()
    await wire.handshake()
    await first.stop()
    await wire.close()
    second = await start(PLEXCTL_PORT=str(first.port))
    probe = await Wire.connect(second.port)
    status, _ = await probe.request("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
    assert status == 200
    await probe.close()
    assert await second.stop() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_before_it_listens_ends_it_in_order(tmp_path: Path, number: signal.Signals) -> None:
    """From its first instructions on: the first process of a container would never notice otherwise."""
    written = tmp_path / "pid"
    descriptor = os.open(written, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "plexctl.gateway"),
            env=environment(PLEXCTL_PID_FD=str(descriptor)),
            pass_fds=(descriptor,),
        )

        async def is_written() -> bool | None:
            return written.read_text() == f"{process.pid}\n" or None

        await until(is_written)
        process.send_signal(number)
        assert await process.wait() == 0
    finally:
        os.close(descriptor)
