"""The containers of the loopback AI Deploy: the real gateway as a process, with exactly its app's variables."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from tests.clouds.ovh.state import App, State

import plexctl

_POLL_S = 0.01
_GRACE_S = 10.0
_STEP_S = 0.02
_IMAGE = {"PLEXCTL_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
_COURSE = ("QUEUED", "INITIALIZING", "SCALING", "RUNNING")


@dataclass
class Container:
    """An app's container: its life, and the process once there is one."""

    life: asyncio.Task[None]
    process: Process | None = None
    wanted: asyncio.Event = field(default_factory=asyncio.Event)


class Running:
    """All containers. `is_lazy`: a gateway starts when its address or its log is first asked for."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._containers: dict[str, Container] = {}
        self._folder = Path(mkdtemp(prefix="loopback-ovh-"))
        self.changed = asyncio.Condition()
        self.is_lazy = True
        self.address = ""
        """Where the apps' addresses are."""

    def begin(self, app: App) -> None:
        """Let an app take its course."""
        self._containers[app.id] = Container(asyncio.ensure_future(self._live(app)))

    async def want(self, app: App) -> None:
        """Let a lazy gateway start, and wait until it has."""
        container = self._containers.get(app.id)
        if container is None:
            return
        container.wanted.set()
        async with self.changed:
            await self.changed.wait_for(lambda: not app.is_up or container.process is not None)

    async def end(self, app: App, state: str, *, is_accident: bool = False) -> None:
        """End its process, in order but for an accident; then it has that state."""
        container = self._containers.pop(app.id, None)
        process = container.process if container else None
        if process is not None and process.returncode is None:
            process.kill() if is_accident else process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _GRACE_S)
            except TimeoutError:
                os.killpg(process.pid, signal.SIGKILL)
        if container is not None:
            if process is None:
                container.life.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await container.life
        app.state, app.port = state, 0
        async with self.changed:
            self.changed.notify_all()

    async def close(self) -> None:
        """End everything."""
        await asyncio.gather(*(self.end(app, "DELETED") for app in list(self._state.apps.values())))
        rmtree(self._folder, ignore_errors=True)

    async def _live(self, app: App) -> None:
        for number, state in enumerate(_COURSE):
            while self._state.clock.now() < app.born + number * _STEP_S:  # noqa: ASYNC110 - a clock that jumps
                await asyncio.sleep(_POLL_S)
            app.state = state
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            app.port = probe.getsockname()[1]
        container = self._containers[app.id]
        if self.is_lazy:
            await container.wanted.wait()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "plexctl.gateway"),
            cwd=self._folder,
            env=self._environment(app),
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        container.process = process
        async with self.changed:
            self.changed.notify_all()
        assert process.stdout is not None
        async for line in process.stdout:
            latest = app.lines[-1][0] if app.lines else 0.0
            app.lines.append((max(self._state.clock.wall(), latest), line.decode(errors="replace").rstrip()))
        await process.wait()

    def _environment(self, app: App) -> dict[str, str]:
        env = {one["name"]: one["value"] for one in app.body.get("envVars", [])}
        if env.get("PLEXCTL_ENGINE") == "personaplex":
            env["PLEXCTL_ENGINE"] = "echo"
        machine = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PYTHONPATH": str(Path(plexctl.__file__).parent.parent),
        }
        return machine | _IMAGE | env | {"PLEXCTL_PORT": str(app.port)}
