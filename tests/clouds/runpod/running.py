"""The containers of the loopback RunPod: the real gateway as a process, with exactly its pod's environment."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from dataclasses import dataclass, field
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

from tests.clouds.runpod.state import UP, Pod, State

import plexctl

_POLL_S = 0.01
_GRACE_S = 10.0
_SECRET = re.compile(r"\{\{\s*RUNPOD_SECRET_(\w+)\s*\}\}")
_IMAGE = {"PLEXCTL_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1", "LANG": "C.UTF-8"}
"""What the image's own ENV says, as far as it holds on this machine."""


@dataclass
class Container:
    """A pod's container: its life, and the process once there is one."""

    life: asyncio.Task[None]
    process: Process | None = None
    wanted: asyncio.Event = field(default_factory=asyncio.Event)


class Running:
    """All containers. `is_lazy`: a gateway starts when its port or its log is first asked for."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._containers: dict[str, Container] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._folder = Path(mkdtemp(prefix="loopback-runpod-"))
        self.changed = asyncio.Condition()
        self.is_lazy = False
        self.has_gateways = True
        self.provision_s = self.start_s = 0.02
        self.api = ""
        """Where the API is, for a pod that ends itself."""
        self.pod_key_is_good = True
        self.trouble: str | None = None
        """What the host says, instead of starting containers."""

    def begin(self, pod: Pod) -> None:
        """Let a pod's life take its course."""
        self._containers[pod.id] = Container(asyncio.ensure_future(self._live(pod)))

    def is_alive(self, pod: Pod) -> bool:
        """Tell whether its process lives."""
        container = self._containers.get(pod.id)
        return bool(container and container.process and container.process.returncode is None)

    async def want(self, pod: Pod) -> None:
        """Let a lazy gateway start, and wait until it has."""
        container = self._containers.get(pod.id)
        if container is None or not self.has_gateways:
            return
        container.wanted.set()
        async with self.changed:
            await self.changed.wait_for(lambda: pod.status not in UP or bool(container.process or self.trouble))

    async def end(self, pod: Pod, status: str, *, is_accident: bool = False) -> None:
        """End its process, in order but for an accident; then it has that status, and its streams end.

        Whoever asked may be the very process that ends: its call is cut, and the ending goes on.
        """
        ending = asyncio.ensure_future(self._end(pod, status, is_accident=is_accident))
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        await asyncio.shield(ending)

    async def _end(self, pod: Pod, status: str, *, is_accident: bool) -> None:
        container = self._containers.pop(pod.id, None)
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
        pod.status, pod.runs_since, pod.port = status, None, 0
        await self.tell()

    async def tell(self) -> None:
        """Wake whoever waits for lines."""
        async with self.changed:
            self.changed.notify_all()

    async def close(self) -> None:
        """End everything."""
        await asyncio.gather(*(self.end(pod, "TERMINATED") for pod in list(self._state.pods.values())))
        await asyncio.gather(*self._endings)
        rmtree(self._folder, ignore_errors=True)

    async def _live(self, pod: Pod) -> None:
        state = self._state
        await self._until(pod.born + self.provision_s)
        pod.status, pod.started_at = "STARTING", state.clock.wall()
        if self.trouble:
            pod.say("system", f"error starting container: {self.trouble}", state.clock.wall())
            await self.tell()
            await asyncio.Event().wait()
        await self._until(pod.born + self.provision_s + self.start_s)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            pod.port = probe.getsockname()[1]
        pod.status, pod.runs_since = "RUNNING", state.clock.now()
        pod.say("system", "start container", state.clock.wall())
        await self.tell()
        if self.has_gateways:
            await self._run(pod)

    async def _run(self, pod: Pod) -> None:
        container = self._containers[pod.id]
        if self.is_lazy:
            await container.wanted.wait()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "plexctl.gateway"),
            cwd=self._folder,
            env=self._environment(pod),
            stdout=PIPE,
            stderr=STDOUT,
            start_new_session=True,
        )
        container.process = process
        await self.tell()
        assert process.stdout is not None
        async for line in process.stdout:
            pod.say("container", line.decode(errors="replace").rstrip(), self._state.clock.wall())
            await self.tell()
        await process.wait()

    async def _until(self, moment: float) -> None:
        while (left_s := moment - self._state.clock.now()) > 0:  # noqa: ASYNC110 - a clock that jumps wakes nobody
            await asyncio.sleep(min(left_s, _POLL_S))

    def _environment(self, pod: Pod) -> dict[str, str]:
        """Return what the image, RunPod and the body give. A secret that is not in the console is an error."""
        secrets, given = self._state.secrets, pod.body.get("env", {})
        env = {name: _SECRET.sub(lambda found: secrets[found[1]], value) for name, value in given.items()}
        if env.get("PLEXCTL_ENGINE") == "personaplex":
            env["PLEXCTL_ENGINE"] = "echo"
        machine = {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder),
            "PYTHONPATH": str(Path(plexctl.__file__).parent.parent),
        }
        theirs = {
            "RUNPOD_POD_ID": pod.id,
            "RUNPOD_API_KEY": f"pod-key-{pod.id}",
            "RUNPOD_PUBLIC_IP": "127.0.0.1",
            "PLEXCTL_RUNPOD_URL": self.api,
        }
        return machine | _IMAGE | theirs | env | {"PLEXCTL_PORT": str(pod.port)}
