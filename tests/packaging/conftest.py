"""What the packaging tests share: the distributions, built once, and an installation of each kind."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Distributions:
    """What `python -m build` made: the source distribution, the wheel from it, and the wheel from the checkout."""

    sdist: Path
    from_sdist: Path
    from_checkout: Path


@dataclass(frozen=True)
class Installation:
    """A Python that finds plexctl, and how."""

    python: Path
    environment: dict[str, str]
    place: Path
    """Where its plexctl must lie."""


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Build everything once, without a network: the build's requirements are those of the tests."""
    folder = tmp_path_factory.mktemp("distributions")
    for arguments in (["-o", "both"], ["--wheel", "-o", "wheel"]):
        command = [sys.executable, "-m", "build", "--no-isolation", *arguments, str(ROOT)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    (sdist,), (wheel,) = (folder / "both").glob("*.tar.gz"), (folder / "both").glob("*.whl")
    (direct,) = (folder / "wheel").glob("*.whl")
    return Distributions(sdist, wheel, direct)


def make_venv(folder: Path) -> Path:
    """Make a virtual environment that also sees our installed packages, but no plexctl; return its Python."""
    venv.create(folder, symlinks=True)
    # Folders named by a .pth file are searched, but the .pth files in them, an editable plexctl's too, are not read.
    (site_packages(folder) / "ours.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


def site_packages(folder: Path) -> Path:
    """Return where an environment's packages lie."""
    scheme = {"base": str(folder), "platbase": str(folder)}
    return Path(sysconfig.get_path("purelib", scheme="venv", vars=scheme))


def install(wheel: Path, folder: Path) -> Installation:
    """Install a wheel as an installer does, dependencies left out, into a fresh environment."""
    python = make_venv(folder)
    pip = [sys.executable, "-m", "pip", "--python", str(python)]
    flags = ["--no-deps", "--no-index", "--disable-pip-version-check", "--no-warn-script-location"]
    done = subprocess.run([*pip, "install", *flags, str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return Installation(python, clean_environment(), site_packages(folder))


def clean_environment(**extra: str) -> dict[str, str]:
    """Return an environment in which nothing leads to this checkout."""
    return {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **extra}
