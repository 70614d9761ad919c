"""How many real-time conversations one probe process can drive: `python bench/probe.py [--sessions 100]`.

Starts plexctl's echo server as a process of its own, holds the conversations from this process with `probe_many`,
and prints the figures. Exit 1 when a conversation was not `talking` or the p99 pacing error reached 20 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from plexctl.probe import ProbeOptions, probe_many
from plexctl.wire import WireError, fetch

MOST_PACING_ERROR_MS = 20.0
_START_S = 15.0


def free_port() -> int:
    """Return a loopback port that nothing uses right now."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@contextmanager
def echo_server() -> Iterator[str]:
    """Run the echo server; it ends when its standard input does."""
    port = free_port()
    argv = [sys.executable, "-m", "plexctl.gateway.engines.echo", "--port", str(port)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _START_S
        while not _answers(url):
            assert process.poll() is None, "the echo server ended"
            assert time.monotonic() < deadline, "the echo server does not answer"
            time.sleep(0.05)
        yield url
        process.kill()


def _answers(url: str) -> bool:
    try:
        fetch(url, timeout_s=1.0)
    except WireError:
        return False
    return True


def main() -> int:
    """Hold the conversations and print what came of them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sessions", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    with echo_server() as url:
        options = ProbeOptions(url=url, sessions=arguments.sessions, seconds=arguments.seconds)
        started, cpu = time.perf_counter(), time.process_time()
        report = asyncio.run(probe_many(options))
        wall_s, cpu_s = time.perf_counter() - started, time.process_time() - cpu
    data = report.to_dict()
    audio = data["audio"]
    print(f"sessions               {arguments.sessions} of {arguments.seconds:g} s on {os.cpu_count()} cores")
    print(f"verdicts               {data['verdicts']}")
    print(f"pacing error p50 / p99 {audio['pacing_error_ms']['p50']} / {audio['pacing_error_ms']['p99']} ms")
    print(f"  (p99: worst session; required: under {MOST_PACING_ERROR_MS:g} ms)")
    print(f"first audio, median    {audio['first_audio_ms']} ms")
    print(f"real-time factor, min  {audio['real_time_factor']}")
    print(f"longest gap, worst     {audio['longest_gap_ms']} ms")
    print(f"wall / CPU             {wall_s:.1f} s / {cpu_s:.1f} s ({cpu_s / wall_s:.0%} of a core)")
    print(f"peak memory            {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB")
    p99 = audio["pacing_error_ms"]["p99"]
    is_good = report.verdict == "talking" and p99 is not None and p99 < MOST_PACING_ERROR_MS
    print("verdict                " + ("pass" if is_good else "FAIL"))
    return 0 if is_good else 1


if __name__ == "__main__":
    raise SystemExit(main())
