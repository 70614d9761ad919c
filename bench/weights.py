"""How fast the gateway fetches weights: one large file from a Hub on the loopback, against plain curl of the same file.

    python bench/weights.py [--gb 1.0] [--rounds 5] [--folder DIR] [--json]

In turns, so that a busy machine is equally unfair to both: curl writes the file to the disk; the gateway's process
resolves the revision, fetches the file, checks its sha256 and links it into the cache. Timed is from the moment that
it knows what to fetch to its end; what it takes until then (starting Python, asking the Hub) is the same for a file of
any size, and printed beside it. The Hub sends with sendfile. Target: at least 0.8 times curl's speed, by the fastest
round of each. Exits 1 when it is missed; says so and leaves where there is no curl.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from tests.clouds.hub import Content, Hub  # noqa: E402 - the Hub is not installed

TARGET = 0.8
REPO = "bench/model"
WEIGHTS = "model.safetensors"


def main() -> int:
    """Measure, print, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gb", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where all files lie; a temporary folder when left out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if shutil.which("curl") is None:
        print("no curl here: nothing to compare with")
        return 0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        figures = compare(Path(folder), int(options.gb * 1e9), options.rounds)
    if options.json:
        print(json.dumps(figures))
    else:
        print(
            f"{options.gb:g} GB, fastest of {options.rounds}: curl {figures['curl_mb_per_s']} MB/s, "
            f"the gateway's fetch with its check {figures['gateway_mb_per_s']} MB/s: {figures['ratio']}x "
            f"(after {figures['start_s']} s of starting and asking)"
        )
    return 0 if figures["ratio"] >= TARGET else 1


def compare(folder: Path, size: int, rounds: int) -> dict[str, float]:
    """Fetch a file of `size` bytes in turns; return MB/s of both, their ratio, and seconds of starting."""
    weights = folder / WEIGHTS
    write(weights, size)
    curl, gateway, starts = [], [], []
    with Hub() as hub:
        hub.add_repository(REPO, {"config.json": b"{}", WEIGHTS: Content.at(weights)})
        hub.repositories[REPO].files[WEIGHTS].etag  # noqa: B018 - hashed once, before anything is timed
        for _ in range(rounds):
            curl.append(by_curl(hub, folder))
            started, took = by_gateway(hub, folder)
            gateway.append(took)
            starts.append(started)
    speeds = [round(size / 1e6 / min(times)) for times in (curl, gateway)]
    return {
        "curl_mb_per_s": speeds[0],
        "gateway_mb_per_s": speeds[1],
        "ratio": round(speeds[1] / speeds[0], 2),
        "start_s": round(min(starts), 2),
    }


def write(path: Path, size: int) -> None:
    """Write `size` bytes that no file system can leave out."""
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for start in range(0, size, len(block)):
            file.write(block[: size - start])


def by_curl(hub: Hub, folder: Path) -> float:
    """Return the seconds that curl takes."""
    target = folder / "curl"
    url = f"{hub.url}/{REPO}/resolve/main/{WEIGHTS}"
    began = time.perf_counter()
    subprocess.run(["curl", "-sfL", "-o", str(target), url], check=True)
    took = time.perf_counter() - began
    target.unlink()
    return took


def by_gateway(hub: Hub, folder: Path) -> tuple[float, float]:
    """Return the seconds until the gateway's fetch knows what to fetch, and from there to its end."""
    home = folder / "hf"
    own = {"PLEXCTL_MODEL_REPO": REPO, "HF_HOME": str(home), "PYTHONPATH": str(ROOT / "src")}
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "plexctl.gateway.weights"],
        env=os.environ | hub.environment | own,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    started, last = began, b""
    with process:
        assert process.stdout is not None
        for last in process.stdout:
            started = time.perf_counter() if b" to fetch into " in last else started
        assert process.wait() == 0, last
        ended = time.perf_counter()
    shutil.rmtree(home)
    return started - began, ended - started


if __name__ == "__main__":
    sys.exit(main())
