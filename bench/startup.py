"""What starting plexctl costs: `python bench/startup.py [--rounds 25] [--json]`.

User and system CPU of each command as a multiple of `python -c pass`, medians of interleaved rounds in the same run,
so that a busy machine slows both alike. Exit 1 when a command is over its limit.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from statistics import median

BASE = ("-c", "pass")
LIMITS = {
    ("-m", "plexctl", "--version"): 3.0,
    ("-m", "plexctl", "--help"): 12.0,
    ("-m", "plexctl", "status"): 10.0,
}
"""Peers, measured for `--version`: hf 19, modal 38, vastai 40, dstack 91, skypilot 157."""


def cpu_s(arguments: tuple[str, ...], environment: dict[str, str]) -> float:
    """Return user and system CPU of one run of Python with these arguments."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], env=environment, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(rounds: int) -> dict[tuple[str, ...], float]:
    """Return the median of each command and of the base, after one round that fills caches."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PLEXCTL_")}
        environment["PLEXCTL_HOME"] = os.path.join(folder, "none")  # noqa: PTH118 - one string for the environment
        taken: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments in (BASE, *LIMITS)}
        for _ in range(rounds + 1):
            for arguments, times in taken.items():
                times.append(cpu_s(arguments, environment))
    return {arguments: median(times[1:]) for arguments, times in taken.items()}


def main() -> int:
    """Measure, print, and say whether the limits hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    medians = measure(options.rounds)
    rows = [
        {
            "command": " ".join(arguments[1:]),
            "cpu_ms": round(medians[arguments] * 1000, 1),
            "ratio": round(medians[arguments] / medians[BASE], 2),
            "limit": limit,
        }
        for arguments, limit in LIMITS.items()
    ]
    if options.json:
        print(json.dumps({"base_ms": round(medians[BASE] * 1000, 1), "rounds": options.rounds, "commands": rows}))
    else:
        print(f"python -c pass: {medians[BASE] * 1000:.1f} ms of CPU, median of {options.rounds} rounds")
        for row in rows:
            print(f"{row['command']:<18} {row['cpu_ms']:>7} ms  {row['ratio']:>6}x  limit {row['limit']}x")
    is_over = any(medians[arguments] / medians[BASE] > limit for arguments, limit in LIMITS.items())
    return 1 if is_over else 0


if __name__ == "__main__":
    sys.exit(main())
