"""What `plan` and `gpus` take, offline and without a key: `python bench/plan.py [--rounds 11] [--json]`.

Wall time of each command for each provider, as it is typed, on two cores where the machine has more; medians and
slowest of interleaved rounds. Exit 1 when one takes longer than the limit, or gives other bytes a second time.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from statistics import median

from plexctl.spec import PROVIDERS

LIMIT_S = 0.5
CORES = 2
COMMANDS = [("gpus",), ("plan",), *((name, "-p", one) for name in ("gpus", "plan") for one in PROVIDERS)]
UNREACHABLE = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "HF_ENDPOINT"), "http://127.0.0.1:1")
"""Whoever asked anybody would fail at once."""


def run(arguments: tuple[str, ...], environment: dict[str, str]) -> tuple[float, bytes]:
    """Return the seconds of one run, and what it printed."""
    begun = time.perf_counter()
    argv = [sys.executable, "-m", "plexctl", *arguments, "--json"]
    done = subprocess.run(argv, env=environment, check=True, capture_output=True)
    return time.perf_counter() - begun, done.stdout


def measure(rounds: int) -> dict[tuple[str, ...], list[float]]:
    """Return the seconds of every round, after one that fills caches; asserts that the bytes are always the same."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {"PATH": os.environ["PATH"], "HOME": folder, "PLEXCTL_HOME": f"{folder}/none"} | UNREACHABLE
        said: dict[tuple[str, ...], bytes] = {}
        taken: dict[tuple[str, ...], list[float]] = {arguments: [] for arguments in COMMANDS}
        for _ in range(rounds + 1):
            for arguments, times in taken.items():
                seconds, printed = run(arguments, environment)
                times.append(seconds)
                assert said.setdefault(arguments, printed) == printed, f"{arguments} gave other bytes"
    return {arguments: times[1:] for arguments, times in taken.items()}


def main() -> int:
    """Measure, print, and say whether the limit holds."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    taken = measure(options.rounds)
    rows = [
        {
            "command": " ".join(arguments),
            "median_s": round(median(times), 3),
            "slowest_s": round(max(times), 3),
            "limit_s": LIMIT_S,
        }
        for arguments, times in taken.items()
    ]
    if options.json:
        print(json.dumps({"rounds": options.rounds, "cores": CORES, "commands": rows}))
    else:
        for row in rows:
            print(f"{row['command']:<18} median {row['median_s']:.3f} s  slowest {row['slowest_s']:.3f} s")
    is_over = any(median(times) > LIMIT_S for times in taken.values())
    return 1 if is_over else 0


if __name__ == "__main__":
    sys.exit(main())
