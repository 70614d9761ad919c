"""The profiles with torch: what comes before and beside torch is built here, unmodified."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.cli.process import plexctl_in
from tests.containers.image import build, render
from tests.containers.rig import Podman
from tests.images.rig import pins_of

from plexctl.images import ENGINE_PYTHON, upstream

TAG = "localhost/plexctl-test"
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


@pytest.mark.usefixtures("pins_image")
def test_upstream_is_fetched_checked_and_packed(
    podman: Podman, python312_image: str, context: Path, tmp_path: Path
) -> None:
    """The files of the pinned commit have the pinned digest, and become the wheel that goes beside torch."""
    source = os.environ.get("PLEXCTL_TEST_PERSONAPLEX_SRC")
    if not source:
        pytest.skip("PLEXCTL_TEST_PERSONAPLEX_SRC names no checkout of NVIDIA's server")
    archive = tmp_path / "upstream.tar.gz"
    top = f"--transform=s,^,personaplex-{upstream.COMMIT}/,"
    subprocess.run(
        ["tar", "-C", source, "--exclude=__pycache__", top, "-czf", archive, upstream.FOLDER], check=True, text=True
    )
    given = (f"--build-arg=UPSTREAM_ARCHIVE=file:///mirror/{archive.name}", f"--volume={tmp_path}:/mirror:ro")
    build(podman, context, f"{TAG}:upstream", "--target=upstream", f"--build-arg=BASE_IMAGE={python312_image}", *given)
    wheels = podman("run", "--rm", f"{TAG}:upstream", "ls", "/wheels").split()
    assert [name.split("-")[0] for name in wheels] == ["moshi_personaplex"]
