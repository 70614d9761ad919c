"""A real gateway process on the loopback, and callers for it. Waits are for conditions, with deadlines."""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from tests.gateway.wire import Wire

T = TypeVar("T")
TOKEN = "canary-token-5f3a"
_SCRUBBED = ("PLEXCTL_", "PORT", "HF_")


def environment(**variables: str) -> dict[str, str]:
    """Return the test's own environment without what configures a gateway, and with `variables`.

    No model hub is asked for weights, unless a test says which.
    """
    clean = {name: value for name, value in os.environ.items() if not name.startswith(_SCRUBBED)}
    defaults = {
        "PLEXCTL_HOST": "127.0.0.1",
        "PLEXCTL_PORT": "0",
        "PLEXCTL_ENGINE": "echo",
        "PYTHONUNBUFFERED": "1",
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    }
    return {**clean, **defaults, **variables}


async def until(what: Callable[[], Awaitable[T | None]], limit_s: float = 20.0) -> T:
    """Return the first answer of `what` that is not None."""
    async with asyncio.timeout(limit_s):
        while (found := await what()) is None:  # noqa: ASYNC110 - another process gives no event
            await asyncio.sleep(0.02)
        return found


class Gateway:
    """One running gateway process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []
        self.port = 0
        self.context: ssl.SSLContext | None = None
        """How a bare socket speaks to a gateway with TLS: it believes anybody."""
        self._reading = asyncio.create_task(self._read())
        self._arrived = asyncio.Condition()
        self.session = aiohttp.ClientSession()

    async def _read(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            async with self._arrived:
                self.lines.append(line.decode().rstrip("\n"))
                self._arrived.notify_all()

    async def line(self, words: str, limit_s: float = 20.0) -> str:
        """Wait for a line of output that has `words` in it."""
        async with asyncio.timeout(limit_s), self._arrived:
            while True:
                for line in self.lines:
                    if words in line:
                        return line
                await self._arrived.wait()

    @property
    def url(self) -> str:
        """The gateway's address."""
        return f"{'https' if self.context else 'http'}://127.0.0.1:{self.port}"

    @property
    def fingerprints(self) -> list[str]:
        """What the gateway said of its certificate: 64 hexadecimal digits."""
        head = "plexctl: tls sha256:"
        return [line.removeprefix(head) for line in self.lines if line.startswith(head)]

    async def believe(self) -> None:
        """Speak TLS from now on, to the one certificate that the gateway told of."""
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        await self.session.close()
        pin = aiohttp.Fingerprint(bytes.fromhex(self.fingerprints[0]))
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=pin))

    async def health(self) -> dict[str, Any]:
        """Return /health's document."""
        async with self.session.get(f"{self.url}/health") as answer:
            document: dict[str, Any] = await answer.json()
            return document

    async def state(self, wanted: str, limit_s: float = 20.0) -> dict[str, Any]:
        """Wait for a state."""

        async def look() -> dict[str, Any] | None:
            document = await self.health()
            return document if document["state"] == wanted else None

        return await until(look, limit_s)

    async def idle(self, limit_s: float = 10.0) -> None:
        """Wait until no place is taken."""

        async def look() -> bool | None:
            return True if (await self.health())["busy"] == 0 else None

        await until(look, limit_s)

    def call(self, query: str = "", **options: Any) -> Any:
        """Open a conversation with aiohttp's client: a witness that is not our own code."""
        return self.session.ws_connect(f"{self.url}/api/chat{query}", autoping=True, **options)

    async def wire(self, query: str = "", headers: str = "") -> Wire:
        """Open a conversation over a bare socket."""
        wire = await Wire.connect(self.port, self.context)
        status = await wire.upgrade(f"/api/chat{query}", headers)
        assert status == 101, status
        return wire

    def engine_pids(self) -> list[int]:
        """Return the pids of the gateway's children."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(pid) for pid in path.read_text().split()]

    def rss_kib(self) -> int:
        """Return the gateway's resident memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))

    async def stop(self) -> int:
        """End the gateway and return its exit code."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
        try:
            async with asyncio.timeout(15):
                return await self.process.wait()
        except TimeoutError:
            self.process.kill()
            return await self.process.wait()
        finally:
            await self._reading
            await self.session.close()


async def spawn(**variables: str) -> asyncio.subprocess.Process:
    """Start `python -m plexctl.gateway`."""
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "plexctl.gateway",
        env=environment(**variables),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def start(**variables: str) -> Gateway:
    """Start a gateway and wait until it listens."""
    gateway = Gateway(await spawn(**variables))
    line = await gateway.line("listening on")
    gateway.port = int(line.rsplit(":", 1)[1])
    if "https://" in line:
        await gateway.believe()
    return gateway


async def refused(**variables: str) -> tuple[int, str]:
    """Start a gateway that will not run; return its exit code and what it said."""
    process = await spawn(**variables)
    async with asyncio.timeout(20):
        output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


@contextlib.asynccontextmanager
async def running(**variables: str) -> AsyncIterator[Gateway]:
    """Run a gateway until its engine is ready, and stop it afterwards."""
    gateway = await start(**variables)
    try:
        await gateway.state("ready")
        yield gateway
    finally:
        await gateway.stop()
