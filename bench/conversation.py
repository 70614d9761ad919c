"""The real thing, once: upstream's server behind the gateway, started as rendered, on this GPU, for a whole minute.

    python bench/conversation.py --engine-src CHECKOUT --engine-python PYTHON [--seconds 60] [--json FILE]

`CHECKOUT` is NVIDIA/personaplex (3428dfd), `PYTHON` that of an environment in which its server runs (protobuf beside
it). The gated weights are not needed: a repository of true shape with random weights (`bench/true_shape.py`) is served
by the tests' loopback Hub, so that the gateway fetches and checks 17 GB as it would from the real one. Then, in order:
`plexctl render`, the rendered `run.sh`, `plexctl probe`, SIGTERM. Prints the figures; exit 1 unless it talked in real
time. Needs about 60 GB of disk in `--work` and no network.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.clouds.hub import Content, Hub, Repository, Token  # noqa: E402 - from the checkout

REPOSITORY = "nvidia/personaplex-7b-v1"
HUB_TOKEN = "hf_conversation"  # noqa: S105 - the loopback Hub's
ACCESS_TOKEN = "access-conversation"  # noqa: S105 - of a gateway that lives for a minute
PORT = 8998
POLL_S = 0.2
START_S = 900.0
REAL_TIME = 0.99


def main() -> None:
    """Make the weights, serve them, run what was rendered, listen, and print what was seen."""
    options = arguments_of()
    with tempfile.TemporaryDirectory(prefix="conversation-", dir=options.work) as scratch:
        work = Path(scratch)
        figures = run(options, work)
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    heard = figures["probe"]
    if heard["verdict"] != "talking" or heard["audio"]["real_time_factor"] < REAL_TIME:
        sys.exit(1)


def arguments_of() -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine-src", type=Path, required=True, help="a checkout of NVIDIA/personaplex")
    parser.add_argument("--engine-python", type=Path, required=True, help="of an environment that runs its server")
    parser.add_argument("--seconds", type=int, default=60, help="how long to talk")
    parser.add_argument("--work", type=Path, default=None, help="folder with 60 GB")
    parser.add_argument("--json", type=Path, default=None)
    return parser.parse_args()


def run(options: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Return the figures of one whole run."""
    figures: dict[str, Any] = {}
    weights = work / "weights"
    began = time.monotonic()
    shape = [str(ROOT / "bench" / "true_shape.py"), "--engine-src", str(options.engine_src), "--out", str(weights)]
    subprocess.run([options.engine_python, *shape], check=True)
    figures["weights_made_s"] = round(time.monotonic() - began, 1)
    figures["weights_bytes"] = sum(path.stat().st_size for path in weights.iterdir() if path.is_file())
    with Hub() as hub:
        publish(hub, weights)
        environment = surroundings(options, work, hub)
        plexctl(environment, "render", "-p", "local", "--engine", "personaplex", "--out", str(work / "rendered"))
        with launched(work / "rendered" / "run.sh", environment) as process:
            figures |= follow(process)
            probe = plexctl(environment, "probe", f"http://127.0.0.1:{PORT}", "--seconds", f"{options.seconds}s")
            figures["probe"] = {key: probe[key] for key in ("verdict", "stages", "audio")}
            figures["gpu_memory_mib"] = gpu_memory_mib()
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            figures["exit_code"] = process.wait(timeout=60)
            figures["stop_s"] = round(time.monotonic() - began, 1)
    return figures


def publish(hub: Hub, weights: Path) -> None:
    """Put the weights up as the gated repository, its licence accepted by the owner of the one token."""
    files = {path.name: Content.at(path) for path in weights.iterdir() if path.is_file()}
    for content in files.values():
        content.etag  # noqa: B018 - hashed now: no Hub hashes 17 GB while somebody waits for its answer
    hub.repositories[REPOSITORY] = Repository(REPOSITORY, files, gated="auto", access={"me": "granted"})
    hub.tokens[HUB_TOKEN] = Token("me")


def surroundings(options: argparse.Namespace, work: Path, hub: Hub) -> dict[str, str]:
    """Return the environment of whoever renders and runs."""
    mine = {
        "PLEXCTL_HOME": str(work / "home"),
        "PLEXCTL_ENGINE_PYTHON": str(options.engine_python),
        "PYTHON": sys.executable,
        "PLEXCTL_TOKEN": ACCESS_TOKEN,
        "HF_TOKEN": HUB_TOKEN,
        "HF_HOME": str(work / "cache"),
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    return {**os.environ, **hub.environment, **mine}


def plexctl(environment: Mapping[str, str], *argv: str) -> dict[str, Any]:
    """Run plexctl and return the data of its document, whatever its exit code."""
    command = [sys.executable, "-m", "plexctl", *argv, "--json"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=False)
    document: dict[str, Any] = json.loads(done.stdout)
    assert "data" in document, document
    data: dict[str, Any] = document["data"]
    return data


@contextmanager
def launched(script: Path, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run the rendered script; what is left of it is killed at the end."""
    with subprocess.Popen(["bash", script], env=environment, start_new_session=True, stdout=sys.stderr) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def follow(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Wait until the gateway is ready; return how long each of its states took, and the download's speed."""
    seen: dict[str, float] = {}
    fastest = 0.0
    began = time.monotonic()
    while "ready" not in seen:
        assert process.poll() is None, f"it ended with {process.returncode}"
        assert time.monotonic() - began < START_S, f"not ready within {START_S:.0f} s: {seen}"
        health = ask()
        if health is not None:
            assert health["state"] != "failed", health
            seen.setdefault(health["state"], round(time.monotonic() - began, 1))
            fastest = max(fastest, health.get("bytes_per_second") or 0.0)
        time.sleep(POLL_S)
    return {"reached_after_s": seen, "fastest_download_mb_s": round(fastest / 1e6)}


def ask() -> dict[str, Any] | None:
    """Return what the gateway says of itself, None while it does not answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/health", timeout=5) as answer:
            body: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            body = json.load(error)
    except OSError:
        return None
    return body


def gpu_memory_mib() -> int | None:
    """Return the memory in use on the first GPU, None where there is none."""
    try:
        query = ["nvidia-smi", "--query-gpu=memory.used", "--format=csv,noheader,nounits"]
        return int(subprocess.run(query, capture_output=True, check=True, text=True).stdout.split()[0])
    except (OSError, subprocess.CalledProcessError):
        return None


if __name__ == "__main__":
    main()
