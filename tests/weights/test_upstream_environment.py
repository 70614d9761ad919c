"""What the current huggingface_hub has put in the cache, read by the old one of NVIDIA's environment."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.weights.world import COMMIT, REPO, WEIGHTS, World

from plexctl.gateway.engines import upstream

pytestmark = pytest.mark.real
TOOLS = Path(os.environ.get("PLEXCTL_TEST_TOOLS", Path(__file__).parents[2] / ".venv-real"))
_READ = f"""
from huggingface_hub import __version__, hf_hub_download
print(hf_hub_download({REPO!r}, {WEIGHTS!r}), __version__, flush=True)
"""


def read(world: World, *arguments: str) -> list[str]:
    """Run the launcher with the real environment's Python; return the path that it was given, and by which version."""
    package = world.root / "reader" / "moshi"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "server.py").write_text(_READ)
    python = TOOLS / "personaplex" / "bin" / "python"
    environment = {"PYTHONPATH": str(package.parent), "HF_HOME": str(world.cache), "HF_HUB_OFFLINE": "1"}
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [str(python), upstream.__file__, *arguments], env=environment, stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdout is not None
        return process.stdout.read().split()


@pytest.mark.skipif(
    not os.environ.get("PLEXCTL_TEST_PERSONAPLEX_SRC"), reason="PLEXCTL_TEST_PERSONAPLEX_SRC names no checkout"
)
@pytest.mark.parametrize("arguments", [[f"--revision={COMMIT}"], []])
async def test_the_old_huggingface_hub_finds_the_files_offline(world: World, arguments: list[str]) -> None:
    """At the commit that the launcher names, and, where it names none, at the one that `main` was resolved to."""
    async with world.gateway() as gateway:
        await gateway.state("ready")
    path, version = read(world, *arguments)
    assert int(version.split(".")[0]) < 1
    assert path == str(world.snapshot / WEIGHTS)
    assert world.is_whole()
