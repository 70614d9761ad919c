"""Without the docker SDK: what needs it says which extra to install, and everything else works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from plexctl.extras import installed_version

_CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a Python that has all of ours but the docker SDK."""
    folder = tmp_path_factory.mktemp("site")
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith("docker"):
            (folder / entry.name).symlink_to(entry)
    ours = [str(_CHECKOUT / name) for name in ("src", "providers", "templates")]
    return {"PYTHONPATH": os.pathsep.join([*ours, str(folder)]), "PATH": os.environ["PATH"], "HOME": str(folder)}


def run(bare: dict[str, str], home: Path, *argv: str) -> tuple[int, dict[str, object]]:
    """Run plexctl there, without our own site-packages."""
    env = {**bare, "PLEXCTL_HOME": str(home), "DOCKER_HOST": f"unix://{home}/none.sock"}
    command = [sys.executable, "-S", "-m", "plexctl", *argv, "--json"]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, cwd=home.parent)
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize(
    "argv",
    [
        ("image", "build", "--engine", "echo"),
        ("deploy", "-p", "local", "--runtime", "docker", "--engine", "echo", "--yes"),
    ],
)
def test_a_container_needs_the_extra(bare: dict[str, str], tmp_path: Path, argv: tuple[str, ...]) -> None:
    """Exit code 12, with the one command that mends it."""
    code, document = run(bare, tmp_path / "home", *argv)
    assert code == 12, document
    error = document["error"]
    assert isinstance(error, dict)
    assert "package docker" in error["message"]
    assert error["hint"] == "pip install 'plexctl[docker]'"


def test_what_needs_no_engine_needs_no_sdk(bare: dict[str, str], tmp_path: Path) -> None:
    """A dry run of a build, the list of images, and what is known of deployments."""
    for argv in (("image", "build", "--engine", "echo", "--dry-run"), ("image", "list"), ("list",)):
        assert run(bare, tmp_path / "home", *argv)[0] == 0


@pytest.mark.skipif(installed_version("docker") is None, reason="the SDK is not installed here at all")
def test_with_the_sdk_the_engine_is_the_next_thing_asked_for(bare: dict[str, str], tmp_path: Path) -> None:
    """The same command with the SDK gets as far as the engine: it is the SDK that was missing."""
    whole = {**bare, "PYTHONPATH": os.pathsep.join([bare["PYTHONPATH"], sysconfig.get_path("purelib")])}
    code, _ = run(whole, tmp_path / "home", "image", "build", "--engine", "echo")
    assert code == 3
