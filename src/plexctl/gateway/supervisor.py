"""Starts one engine, watches it, starts it again when it dies, and gives it up with a reason in words.

The engine's standard input is a pipe that the gateway holds: it ends when the gateway ends, however that happens.
An engine counts as ready when a plain GET of its chat address is answered with 400: that touches no model state,
and upstream opens its port only after loading and warming up.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from plexctl.gateway.backoff import Backoff
from plexctl.gateway.diagnosis import reason_for
from plexctl.gateway.engines import Engine
from plexctl.gateway.health import EngineHealth
from plexctl.gateway.logbook import LineSplitter, Logbook
from plexctl.gateway.pool import Pool, Seat
from plexctl.gateway.settings import EngineSettings

STOP_GRACE_S = 5.0
_POLL_FIRST_S = 0.05
_POLL_LONGEST_S = 0.5
_ASK_TIMEOUT_S = 5.0
_LAST_LINES = 40
_LAST_WORDS_S = 1.0
_MAX_MISSES = 3
_HUNG = "plexctl: the engine ran but answered nothing for a while"


@dataclass(frozen=True, slots=True)
class _Death:
    exit_code: int | None
    ready_for_s: float | None
    reason: str


class Supervisor:
    """One engine's life."""

    def __init__(
        self,
        name: str,
        engine: Engine,
        settings: EngineSettings,
        pool: Pool,
        logbook: Logbook,
    ) -> None:
        self.name = name
        self.health = EngineHealth()
        self.settings = settings
        """What the next start is made of."""
        self.restarts = 0
        self.on_death: Callable[[str], None] | None = None
        self._engine = engine
        self._pool = pool
        self._logbook = logbook
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)
        self._is_stopping = False
        self._process: asyncio.subprocess.Process | None = None

    async def run(self) -> None:
        """Keep the engine alive until `stop`, or until it is given up."""
        backoff = Backoff()
        loop = asyncio.get_running_loop()
        while True:
            self.health = EngineHealth()
            death = await self._live_once()
            if self._is_stopping:
                return
            wait_s = backoff.died(loop.time(), death.ready_for_s)
            if self.on_death is not None:
                self.on_death(self.name)
            if wait_s is None:
                self.give_up(death.reason, "engine")
                return
            self.restarts += 1
            self.health = EngineHealth("starting", f"again after: {death.reason}")
            self._logbook.write("gateway", f"{self.name} died: {death.reason}; again in {wait_s} s")
            await asyncio.sleep(wait_s)

    def give_up(self, reason: str, cause: str | None) -> None:
        """Say that the engine will not be started any more, and why; `cause` is one of health.CAUSES."""
        self.health = EngineHealth("failed", "given up", None, reason, cause)
        self._logbook.write("gateway", f"{self.name} failed: {reason}")

    async def stop(self) -> None:
        """End the engine: SIGTERM, and SIGKILL after the grace (upstream lives on for minutes otherwise)."""
        self._is_stopping = True
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(STOP_GRACE_S):
                await process.wait()
        except TimeoutError:
            _kill(process)
            await process.wait()

    async def _live_once(self) -> _Death:
        port = free_port()
        self._lines.clear()
        try:
            process = await self._spawn(port)
        except OSError as error:
            return _Death(None, None, f"the engine cannot be started: {error}")
        self._process = process
        reading = asyncio.create_task(self._read(process))
        try:
            return await self._watch(process, port, reading)
        finally:
            _kill(process)
            reading.cancel()

    async def _watch(self, process: asyncio.subprocess.Process, port: int, reading: asyncio.Task[None]) -> _Death:
        ready_since = await self._become_ready(process, port)
        timed_out = ready_since is None and process.returncode is None
        if ready_since is not None:
            await self._serve(process, port)
        elif timed_out:
            _kill(process)
        exit_code = await process.wait()
        await asyncio.wait([reading], timeout=_LAST_WORDS_S)
        if timed_out:
            limit = self.settings.start_timeout_s
            return _Death(exit_code, None, f"not ready within {limit:.0f} s ({self.health.phase})")
        ready_for = None if ready_since is None else asyncio.get_running_loop().time() - ready_since
        return _Death(exit_code, ready_for, reason_for(exit_code, self._lines))

    async def _spawn(self, port: int) -> asyncio.subprocess.Process:
        command = self._engine.command(self.settings, port)
        self._logbook.write("gateway", f"{self.name} starts on port {port}: {self._engine.name}")
        pid_fd = self.settings.pid_fd
        return await asyncio.create_subprocess_exec(
            *command.argv,
            env=dict(command.environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            pass_fds=() if pid_fd is None else (pid_fd,),
        )

    async def _serve(self, process: asyncio.subprocess.Process, port: int) -> None:
        capacity = self.settings.capacity or self._engine.capacity
        seat = Seat(self.name, port, capacity)
        self.health = EngineHealth("ready", "ready", 1.0)
        self._pool.add(seat)
        self._logbook.write("gateway", f"{self.name} is ready")
        try:
            await self._wait_while_alive(process, port)
        finally:
            self._pool.remove(seat)

    async def _wait_while_alive(self, process: asyncio.subprocess.Process, port: int) -> None:
        """Wait for the engine's end; an engine that runs and answers nothing any more is ended."""
        misses = 0
        while misses < _MAX_MISSES:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self.settings.check_s):
                    await process.wait()
                    return
            misses = 0 if await is_ready(port, self.settings.check_s) else misses + 1
        self._lines.append(_HUNG)
        _kill(process)
        await process.wait()

    async def _become_ready(self, process: asyncio.subprocess.Process, port: int) -> float | None:
        """Return when the engine became ready, None when it died or took too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.start_timeout_s
        pause_s = _POLL_FIRST_S
        while process.returncode is None and loop.time() < deadline:
            if await is_ready(port):
                return loop.time()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await process.wait()
            pause_s = min(pause_s * 1.2, _POLL_LONGEST_S)
        return None

    async def _read(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - spawned with a pipe
        splitter = LineSplitter()
        while data := await process.stdout.read(65536):
            for line in splitter.feed(data):
                self._line(line)
        for line in splitter.rest():
            self._line(line)

    def _line(self, line: str) -> None:
        self._lines.append(line)
        self._logbook.write(self.name, line)
        progress = self._engine.progress(line)
        if progress is not None and self.health.state not in ("ready", "failed"):
            self.health = EngineHealth(progress.state, progress.phase, progress.fraction)


def _kill(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()


def free_port() -> int:
    """Return a loopback port that is free now; an engine that finds it taken dies and gets another."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def is_ready(port: int, limit_s: float = _ASK_TIMEOUT_S) -> bool:
    """Tell whether the engine on `port` answers its chat address with 400."""
    try:
        async with asyncio.timeout(limit_s):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(f"GET /api/chat HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
                return b" 400 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False
