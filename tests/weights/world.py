"""A small PersonaPlex at the loopback Hub, a stand-in for upstream's server that reads it, and gateways before both."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.clouds.hub import Content, Hub, Repository
from tests.gateway.rig import Gateway, environment, start

from plexctl.gateway.weights.messages import Message, decode

REPO = "nvidia/personaplex-7b-v1"
COMMIT = "3f1e08a5b7c94d26a0b1c2d3e4f5a6b7c8d9e0f1"
OLD_COMMIT = "0a" * 20
WEIGHTS = "model.safetensors"
CANARY = "hf_canary_71d0"
"""Stands for a token, and may be seen nowhere."""
MIB = 1 << 20
ROOT = Path(__file__).parents[2]
_SERVER = """
import argparse, hashlib, pathlib, runpy, sys
from huggingface_hub import hf_hub_download
parser = argparse.ArgumentParser()
for flag in ("--host", "--port", "--static", "--device"):
    parser.add_argument(flag)
parser.add_argument("--hf-repo", default="nvidia/personaplex-7b-v1")
options = parser.parse_args()
paths = [pathlib.Path(hf_hub_download(options.hf_repo, name)) for name in ("config.json", "model.safetensors")]
print("read", *(f"{p.name}={hashlib.sha256(p.read_bytes()).hexdigest()[:12]}" for p in paths), flush=True)
print("commit", paths[0].parent.name, flush=True)
print("[Info] loading moshi", flush=True)
sys.argv = ["echo", "--port", options.port]
runpy.run_module("plexctl.gateway.engines.echo", run_name="__main__")
"""


def some_bytes(size: int, seed: int = 1) -> bytes:
    """Return bytes that are no other's and always the same."""
    return hashlib.shake_128(seed.to_bytes(4)).digest(size)


def files(weights: bytes) -> dict[str, bytes | Content]:
    """Return a repository's files: two large ones and small ones, and two that upstream does not read."""
    return {
        "README.md": b"# PersonaPlex\n",
        "config.json": b'{"model_type": "personaplex"}',
        WEIGHTS: weights,
        "tokenizer-e351c8d8-checkpoint125.safetensors": some_bytes(MIB, 2),
        "tokenizer_spm_32k_3.model": some_bytes(9000, 3),
        "voices.tgz": some_bytes(150_000, 4),
        "dist.tgz": some_bytes(200_000, 5),
    }


@dataclass
class World:
    """A Hub with a model, a folder for a cache, and the stand-in for upstream's environment."""

    hub: Hub
    root: Path
    weights: bytes = field(default_factory=lambda: some_bytes(6 * MIB))

    def __post_init__(self) -> None:
        """Put the model and an account that may read it at the Hub, and upstream's stand-in on the disk."""
        self.hub.add_token(CANARY, "ann")
        self.repository: Repository = self.hub.add_repository(
            REPO, files(self.weights), gated="auto", access={"ann": "granted"}
        )
        package = self.root / "upstream" / "moshi"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "server.py").write_text(_SERVER)
        path = f"{package.parent}:{ROOT / 'src'}"
        self.python.write_text(f'#!/bin/sh\nPYTHONPATH={path} exec {sys.executable} "$@"\n')
        self.python.chmod(0o755)

    @property
    def python(self) -> Path:
        """The interpreter of upstream's environment."""
        return self.root / "python"

    @property
    def cache(self) -> Path:
        """HF_HOME."""
        return self.root / "hf"

    @property
    def snapshot(self) -> Path:
        """Where upstream finds the newest files."""
        return self.cache / "hub" / "models--nvidia--personaplex-7b-v1" / "snapshots" / COMMIT

    @property
    def total(self) -> int:
        """Bytes of the files that upstream reads."""
        return sum(content.size for name, content in self.repository.files.items() if name not in UNREAD)

    @property
    def environment(self) -> dict[str, str]:
        """The gateway's variables."""
        return self.hub.environment | {
            "PLEXCTL_ENGINE": "personaplex",
            "PLEXCTL_ENGINE_PYTHON": str(self.python),
            "PLEXCTL_GPU_CHECK": "0",
            "PLEXCTL_HUB_PATIENCE_S": "10",
            "HF_HOME": str(self.cache),
            "HF_HUB_OFFLINE": "",
            "HF_TOKEN": CANARY,
        }

    @contextlib.asynccontextmanager
    async def gateway(self, **variables: str) -> AsyncIterator[Gateway]:
        """Run a gateway; afterwards its output and every process's command line must be without the token."""
        one = await start(**(self.environment | variables))
        try:
            yield one
            assert not [line for line in one.lines if CANARY in line]
        finally:
            await one.stop()

    def is_whole(self) -> bool:
        """Tell whether upstream would find every file as the Hub has it."""
        wanted = {name: content for name, content in self.repository.files.items() if name not in UNREAD}
        return all((self.snapshot / name).read_bytes() == content.head for name, content in wanted.items())


UNREAD = ("README.md", "dist.tgz")


def command_lines() -> Iterator[bytes]:
    """Yield every process's command line."""
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield (folder / "cmdline").read_bytes()


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, those of all its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def kill(pid: int) -> None:
    """Kill a process."""
    os.kill(pid, 9)


async def messages(world: World, **variables: str) -> tuple[list[Message], int]:
    """Run the fetch alone, as a gateway does; return what it said and its exit code."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "plexctl.gateway.weights",
        env=environment(**(world.environment | variables)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    said = [decode(line) async for line in process.stdout]
    code = await process.wait()
    assert None not in said
    return [one for one in said if one is not None], code


def first_bytes(world: World, name: str = WEIGHTS) -> list[int]:
    """Return where each request for a large file's bytes began, in the order in which they came."""
    asked = [seen for seen in world.hub.stored if seen.method == "GET" and f"/{name}?" in seen.path]
    return [int(seen.headers.get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0]) for seen in asked]
