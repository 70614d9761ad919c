"""Make the environment in which a real voice server runs: `python environments.py kyutai|personaplex DIR`.

For people and for continuous integration; standard library only, so that any Python 3.11 can start it. Each
server gets an environment of its own, because the two need different releases of sphn (0.1 and 0.2 differ
in their interface). torch is installed by pip, by its plain version: a machine that offers a CPU build to
pip (`find-links` or an index in its configuration) takes that one, about 190 MB; any other machine pulls
the CUDA build and its libraries, several GB, so point pip at a CPU build there first.

Both servers pin older releases of torch than the one here; both run on it, on a CPU. Therefore moshi itself
is installed without its dependencies, and they are named here. NVIDIA's server is not on the package index:
its environment holds what it needs, and `personaplex.py` takes the code from a checkout.
"""

import argparse
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

TORCH = "torch==2.13.0"

# name -> (requirements, requirements installed without their dependencies)
REQUIREMENTS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "kyutai": (
        (
            TORCH,
            "numpy>=1.26,<2.3",
            "safetensors>=0.4,<0.8",
            "huggingface-hub>=0.24,<1",
            "einops>=0.7,<0.9",
            "sentencepiece>=0.2,<0.3",
            "sounddevice==0.5",
            "sphn>=0.2,<0.3",
            "aiohttp>=3.10.5,<3.12",
            "tqdm>=4.48",
        ),
        ("moshi==0.2.13",),
    ),
    "personaplex": (
        (
            TORCH,
            "numpy>=1.26,<2.2",
            "safetensors>=0.4,<0.5",
            "huggingface-hub>=0.24,<0.25",
            "einops==0.7",
            "sentencepiece==0.2",
            "sounddevice==0.5",
            "sphn==0.1.12",
            "aiohttp>=3.10.5,<3.11",
            "tqdm>=4.48",
        ),
        (),
    ),
}


def stamp_text(server: str) -> str:
    """Return the stamp of an environment for `server`: it changes with the requirements and the Python."""
    listed = repr((sys.version_info[:2], REQUIREMENTS[server]))
    return hashlib.sha256(listed.encode()).hexdigest() + "\n"


def build_commands(server: str, folder: Path, python: str = sys.executable) -> list[list[str]]:
    """Return the commands that make the environment, in order."""
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    with_dependencies, without = REQUIREMENTS[server]
    commands = [[python, "-m", "venv", "--clear", str(folder)], [*pip, *with_dependencies]]
    if without:
        commands.append([*pip, "--no-deps", *without])
    return commands


def make_environment(server: str, folder: Path) -> Path:
    """Make the environment unless its stamp says that it is there; return its Python."""
    stamp = folder / "plexctl-stamp"
    if not (stamp.is_file() and stamp.read_text() == stamp_text(server)):
        for command in build_commands(server, folder):
            subprocess.run(command, check=True, stdout=sys.stderr)
        stamp.write_text(stamp_text(server))
    return folder / "bin" / "python"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make one environment and write the path of its Python on standard output."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("server", choices=sorted(REQUIREMENTS))
    parser.add_argument("folder", type=Path, metavar="DIR")
    options = parser.parse_args(arguments)
    python = make_environment(options.server, options.folder.resolve())
    sys.stdout.write(f"{python}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
