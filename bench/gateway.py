"""What the gateway adds: latency against nginx as a WebSocket proxy in the same run, and memory per conversation.

    python bench/gateway.py [--seconds 2] [--rounds 7] [--json]

One echo engine; the client sends a 20 ms page every 20 ms in each conversation and times each page's way back:
straight to the engine, through nginx, and through the gateway, in turns, so that a busy machine is equally unfair to
all. Targets: the gateway's added p99 at most twice nginx's plus 1 ms; under 200 KB for an idle conversation.
Exits 1 when a target is missed; says so and skips the comparison where there is no nginx. One file over 300 lines,
because both measurements share one rig.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlencode

PAGE_S = 0.02
MAX_IDLE_KB = 200.0
IDLE = 200
CAPACITY = 256
MASK = b"\x5a\xa5\x3c\xc3"
QUERY = urlencode({"voice_prompt": "NATF2.pt", "text_prompt": "You are a bench."})
NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; tcp_nodelay on;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://127.0.0.1:{engine}; proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_read_timeout 3600s;
    }}
  }}
}}
"""


def audio_frame() -> bytes:
    """Return a masked frame with one Ogg page of 20 ms at 24 kbit/s."""
    packet = b"\xf8" + bytes(59)
    page = b"OggS\x00\x00" + bytes(8) + b"\x07\x00\x00\x00" + bytes(8) + bytes([1, len(packet)]) + packet
    message = b"\x01" + page
    masked = bytes(byte ^ MASK[n % 4] for n, byte in enumerate(message))
    return bytes([0x82, 0x80 | len(message)]) + MASK + masked


class Caller(asyncio.Protocol):
    """One conversation: sends a page every 20 ms once told to, and keeps each page's time of travel."""

    def __init__(self, port: int) -> None:
        self.loop = asyncio.get_running_loop()
        self.talking: asyncio.Future[None] = self.loop.create_future()
        self.travel_s: list[float] = []
        self._port = port
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._is_upgraded = False
        self._sent: deque[float] = deque()
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._frame = audio_frame()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the conversation."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(
            f"GET /api/chat?{QUERY} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take time stamps of audio, answer pings."""
        now = self.loop.time()
        self._buffer += data
        if not self._is_upgraded:
            head, found, rest = bytes(self._buffer).partition(b"\r\n\r\n")
            if not found:
                return
            assert b" 101 " in head, head
            self._is_upgraded, self._buffer = True, bytearray(rest)
        while len(self._buffer) >= 2 and len(self._buffer) >= (size := 2 + self._buffer[1]):
            self._take(self._buffer[0] & 0x0F, bytes(self._buffer[2:size]), now)
            del self._buffer[:size]

    def _take(self, opcode: int, payload: bytes, now: float) -> None:
        if opcode == 9 and self._transport is not None:
            self._transport.write(b"\x8a\x80" + MASK)
        elif payload[:1] == b"\x01":
            self.travel_s.append(now - self._sent.popleft())
        elif payload == b"\x00":
            self.talking.set_result(None)

    def connection_lost(self, _: Exception | None) -> None:
        """Stop."""
        self.stop()

    def speak(self, delay_s: float) -> None:
        """Begin to send."""
        self._due = self.loop.time() + delay_s
        self._timer = self.loop.call_at(self._due, self._send)

    def _send(self) -> None:
        assert self._transport is not None
        self._sent.append(self.loop.time())
        self._transport.write(self._frame)
        self._due += PAGE_S
        self._timer = self.loop.call_at(self._due, self._send)

    def stop(self) -> None:
        """Say nothing more."""
        if self._timer is not None:
            self._timer.cancel()

    def hang_up(self) -> None:
        """Leave."""
        self.stop()
        if self._transport is not None:
            self._transport.close()


async def connect(port: int, count: int) -> list[Caller]:
    """Open conversations and wait until all may talk."""
    loop = asyncio.get_running_loop()
    callers: list[Caller] = []
    for _ in range(count):
        _, caller = await loop.create_connection(lambda: Caller(port), "127.0.0.1", port)
        callers.append(caller)
    async with asyncio.timeout(30):
        await asyncio.gather(*(caller.talking for caller in callers))
    return callers


async def travel(port: int, count: int, seconds: float) -> list[float]:
    """Return the seconds that each page took, there and back, in `count` conversations at once."""
    callers = await connect(port, count)
    for number, caller in enumerate(callers):
        caller.speak(PAGE_S * number / count)
    await asyncio.sleep(seconds)
    for caller in callers:
        caller.stop()
    await asyncio.sleep(0.2)
    for caller in callers:
        caller.hang_up()
    await asyncio.sleep(0.3)
    return [time_s for caller in callers for time_s in caller.travel_s[5:]]


@contextlib.asynccontextmanager
async def gateway() -> AsyncIterator[tuple[int, int, int]]:
    """Run a gateway; give its port, its engine's port and its pid."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLEXCTL_")}
    environment |= {
        "PLEXCTL_HOST": "127.0.0.1",
        "PLEXCTL_PORT": "0",
        "PLEXCTL_ENGINE": "echo",
        "PLEXCTL_ENGINE_CAPACITY": str(CAPACITY),
        "PYTHONPATH": str(Path(__file__).parents[1] / "src"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "plexctl.gateway", env=environment, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    port = engine = 0
    async for raw in process.stdout:
        line = raw.decode()
        if "listening on" in line:
            port = int(line.rsplit(":", 1)[1])
        elif "starts on port" in line:
            engine = int(line.split("port ")[1].split(":")[0])
        elif "is ready" in line:
            break
    reading = asyncio.create_task(_drop(process.stdout))
    try:
        yield port, engine, process.pid
    finally:
        process.terminate()
        await process.wait()
        await reading


async def _drop(stream: asyncio.StreamReader) -> None:
    while await stream.read(65536):
        pass


@contextlib.asynccontextmanager
async def nginx(engine: int) -> AsyncIterator[int | None]:
    """Run nginx in front of the engine; give its port, or None where there is no nginx."""
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if program is None:
        yield None
        return
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "nginx.conf")
        path.write_text(NGINX.format(folder=folder, port=port, engine=engine))  # noqa: ASYNC240 - before any timing
        process = await asyncio.create_subprocess_exec(
            program, "-p", folder, "-c", str(path), stderr=asyncio.subprocess.DEVNULL
        )
        try:
            await _until_open(port)
            yield port
        finally:
            process.terminate()
            await process.wait()


async def _until_open(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.05)


def percentile(values: list[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))] * 1000


def typical(turns: list[list[float]], share: float) -> float:
    """Return the median over turns of a percentile: one turn that the machine spent elsewhere does not decide."""
    return statistics.median(percentile(values, share) for values in turns)


def rss_kb(pid: int) -> float:
    """Return a process's resident memory in KB (1000 bytes)."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1.024


async def measure_latency(count: int, options: argparse.Namespace) -> dict[str, object]:
    """Measure all three ways in turns."""
    turns: dict[str, list[list[float]]] = {"direct": [], "nginx": [], "gateway": []}
    async with gateway() as (port, engine, _), nginx(engine) as proxy:
        ports = {"direct": engine, "nginx": proxy, "gateway": port}
        for _ in range(options.rounds):
            for way, there in ports.items():
                if there is not None:
                    turns[way].append(await travel(there, count, options.seconds))
    figures: dict[str, object] = {
        way: {
            "p50_ms": round(typical(samples, 0.5), 3),
            "p99_ms": round(typical(samples, 0.99), 3),
            "pages": sum(map(len, samples)),
        }
        for way, samples in turns.items()
        if samples
    }
    direct = typical(turns["direct"], 0.99)
    added = typical(turns["gateway"], 0.99) - direct
    figures |= {"conversations": count, "gateway_added_p99_ms": round(added, 3)}
    if not turns["nginx"]:
        return figures | {"verdict": "not compared: no nginx on PATH"}
    base = typical(turns["nginx"], 0.99) - direct
    limit = 2 * max(base, 0.0) + 1.0
    return figures | {
        "nginx_added_p99_ms": round(base, 3),
        "ratio": round(added / base, 2) if base > 0 else None,
        "limit_ms": round(limit, 3),
        "verdict": "met" if added <= limit else "missed",
    }


async def measure_memory() -> dict[str, object]:
    """Measure what one idle conversation holds, after one has warmed the gateway up."""
    async with gateway() as (port, _, pid):
        (first,) = await connect(port, 1)
        before = rss_kb(pid)
        callers = await connect(port, IDLE)
        await asyncio.sleep(12)  # past a heartbeat
        each = (rss_kb(pid) - before) / IDLE
        for caller in [first, *callers]:
            caller.hang_up()
    return {
        "conversations": IDLE,
        "kb_each": round(each, 1),
        "limit_kb": MAX_IDLE_KB,
        "verdict": "met" if each < MAX_IDLE_KB else "missed",
    }


async def run(options: argparse.Namespace) -> dict[str, dict[str, object]]:
    """Measure everything."""
    return {
        "latency, 1 conversation": await measure_latency(1, options),
        "latency, 50 conversations": await measure_latency(50, options),
        "memory": await measure_memory(),
    }


def main() -> int:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=2.0, help="of one turn")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    results = asyncio.run(run(options))
    if options.json:
        print(json.dumps(results))
    else:
        for title, figures in results.items():
            print(title)
            for name, value in figures.items():
                print(f"  {name}: {value}")
    return 1 if any(figures["verdict"] == "missed" for figures in results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
