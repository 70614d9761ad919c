"""The profiles with torch: what comes before and beside torch is built here, unmodified."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.cli.process import Plexctl, plexctl_in
from tests.containers.image import build, hear_it_talk, render, running, wait_for
from tests.containers.rig import Podman
from tests.images.rig import ROOT, pins_of

from plexctl.images import ENGINE_PYTHON, upstream

TAG = "localhost/plexctl-test"
SERVERS = ROOT / "tests" / "real" / "servers"
"""Launchers that give real voice servers small random weights."""
_LIST = "import importlib.metadata as m; print(*(f'{d.name}=={d.version}' for d in m.distributions()), sep='\\n')"
_USE = "import numpy, sentencepiece, sphn; sphn.OpusStreamWriter(24000).append_pcm(numpy.zeros(1920, numpy.float32))"


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the build context of cu121, as `render` writes it."""
    with plexctl_in(tmp_path_factory.mktemp("personaplex")) as plexctl:
        return render(plexctl, engine="personaplex") / "image"


@pytest.fixture(scope="module")
def pins_image(podman_store: Podman, python312_image: str, context: Path) -> str:
    """Return the image of upstream's environment without torch."""
    return build(podman_store, context, f"{TAG}:pins", "--target=pins", f"--build-arg=BASE_IMAGE={python312_image}")


def test_it_builds_up_to_torch(podman: Podman, pins_image: str, context: Path) -> None:
    """Upstream's environment holds exactly its pins, no torch, and codecs and tokenizer need no system package."""
    python = ("run", "--rm", pins_image, ENGINE_PYTHON, "-c")
    found = pins_of(podman(*python, _LIST))
    assert found.pop("pip")
    assert found == pins_of((context / "engine-requirements.txt").read_text())
    podman(*python, _USE)


def test_another_python_is_refused_at_once(podman: Podman, base_image: str, context: Path) -> None:
    """On a base with Python 3.11 the build ends at its first step and says what it needs."""
    arguments = ("--pull=never", "--target=pins", f"--build-arg=BASE_IMAGE={base_image}", str(context))
    done = podman.run("build", *arguments)
    assert done.returncode != 0
    assert "needs Python 3.12" in done.stdout + done.stderr


@pytest.fixture(scope="module")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the arguments that let a build take upstream's archive from this machine, made of a checkout."""
    source = os.environ.get("PLEXCTL_TEST_PERSONAPLEX_SRC")
    if not source:
        pytest.skip("PLEXCTL_TEST_PERSONAPLEX_SRC names no checkout of NVIDIA's server")
    folder = tmp_path_factory.mktemp("mirror")
    top = f"--transform=s,^,personaplex-{upstream.COMMIT}/,"
    archive = folder / "upstream.tar.gz"
    subprocess.run(["tar", "-C", source, "--exclude=__pycache__", top, "-czf", archive, upstream.FOLDER], check=True)
    return [f"--build-arg=UPSTREAM_ARCHIVE=file:///mirror/{archive.name}", f"--volume={folder}:/mirror:ro"]


@pytest.mark.usefixtures("pins_image")
def test_upstream_is_fetched_checked_and_packed(
    podman: Podman, python312_image: str, context: Path, mirror: list[str]
) -> None:
    """The files of the pinned commit have the pinned digest, and become the wheel that goes beside torch."""
    base = f"--build-arg=BASE_IMAGE={python312_image}"
    build(podman, context, f"{TAG}:upstream", "--target=upstream", base, *mirror)
    wheels = podman("run", "--rm", f"{TAG}:upstream", "ls", "/wheels").split()
    assert [name.split("-")[0] for name in wheels] == ["moshi_personaplex"]


@pytest.mark.timeout(3600)
@pytest.mark.skipif(
    "PLEXCTL_TEST_TORCH" not in os.environ, reason="PLEXCTL_TEST_TORCH is not set: it fetches gigabytes"
)
@pytest.mark.parametrize("profile", ["cu121", "cu128"])
def test_the_whole_image_talks(
    podman: Podman, python312_image: str, plexctl: Plexctl, mirror: list[str], profile: str
) -> None:
    """With torch and upstream in it the image proves itself at build time, and talks with small weights on a CPU."""
    folder = render(plexctl, "--profile", profile, engine="personaplex") / "image"
    models = plexctl.work / "models"
    models.mkdir(mode=0o777)
    models.chmod(0o777)
    tag = build(podman, folder, f"{TAG}:{profile}", f"--build-arg=BASE_IMAGE={python312_image}", *mirror)
    given = {
        "PLEXCTL_ENGINE_SCRIPT": "/servers/personaplex.py",
        "PLEXCTL_TEST_MODELS": "/models",
        "PLEXCTL_TEST_PERSONAPLEX_SRC": "/none",  # so that the installed one is taken
        "OMP_NUM_THREADS": "1",
    }
    mounts = (f"--volume={models}:/models", f"--volume={SERVERS}:/servers:ro", "--read-only", "--tmpfs=/tmp")
    variables = (f"--env={name}={value}" for name, value in given.items())
    with running(podman, tag, "--user=42420:42420", *mounts, *variables) as container:
        wait_for(container.check, "healthy")
        hear_it_talk(plexctl, container.url)
    podman("rmi", "--force", tag)
