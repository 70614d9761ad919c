"""Plexctl is whole from wheel, source distribution, editable installation and bare checkout."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
import zipfile
from email.parser import HeaderParser
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.packaging.conftest import ROOT, Distributions, Installation, clean_environment, install, make_venv

from plexctl import __version__
from plexctl.registry import BUILT_IN
from plexctl.spec import PROVIDERS

EXTRAS = ["all", "audio", "cloudrun", "docker", "gpu", "lambda", "modal", "ovh", "runpod", "ssh", "vast"]
needs_pip = pytest.mark.skipif(find_spec("pip") is None, reason="no pip here (made by uv)")


def look(one: Installation, cwd: Path) -> dict[str, Any]:
    """Return what the installation's own Python finds, started where nothing of the checkout is near."""
    script = Path(__file__).with_name("inspect_install.py").read_text(encoding="utf-8")
    argv = [str(one.python), "-c", script]
    done = subprocess.run(argv, env=one.environment, cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def check_whole(found: dict[str, Any], place: Path) -> None:
    """Assert that everything is there, and comes from where it should."""
    assert found["version"] == f"plexctl {__version__}\n"
    assert all(Path(folder).is_relative_to(place) for folder in found["folders"])
    assert list(found["providers"]) == list(BUILT_IN)
    templates = ROOT / "templates" / "plexctl_templates"
    assert found["templates"] == sorted(str(path.relative_to(templates)) for path in templates.rglob("*.j2"))
    assert tomllib.loads(found["rendered"])["provider"] == "local"
    assert found["voice_s"] > 3
    assert found["pages"] == ["index.html", "login.html"]
    assert found["priced"] == sorted(PROVIDERS)
    assert found["typed"] == ["plexctl", "plexctl_providers"]


@needs_pip
@pytest.mark.parametrize("which", ["from_checkout", "from_sdist"])
def test_wheel_is_whole(distributions: Distributions, tmp_path: Path, which: str) -> None:
    """A wheel, from the checkout or from the source distribution, has every part, and `plexctl` runs."""
    one = install(getattr(distributions, which), tmp_path / "venv")
    check_whole(look(one, tmp_path), one.place)
    command = [str(one.python.with_name("plexctl")), "--version"]
    assert subprocess.check_output(command, env=one.environment, text=True) == f"plexctl {__version__}\n"


def test_unpacked_source_distribution_is_whole(distributions: Distributions, tmp_path: Path) -> None:
    """The source distribution, unpacked and put on the path, has every part, and what `make test` needs."""
    subprocess.run(["tar", "-xzf", distributions.sdist, "-C", tmp_path], check=True)
    (tree,) = tmp_path.glob("plexctl-*")
    check_whole(look(checkout(tree, tmp_path / "venv"), tmp_path), tree)
    for name in ("Makefile", "constraints.txt", "requirements-dev.txt", "LICENSE", "tests", "docs", "bench"):
        assert (tree / name).exists(), name


def test_bare_checkout_is_whole(tmp_path: Path) -> None:
    """The checkout on the path, with nothing installed, has every part."""
    check_whole(look(checkout(ROOT, tmp_path / "venv"), tmp_path), ROOT)


def test_editable_installation_is_whole(tmp_path: Path) -> None:
    """An editable installation, which this one is, has every part, in the checkout itself."""
    told = json.loads(distribution("plexctl").read_text("direct_url.json") or "{}")
    if not told.get("dir_info", {}).get("editable"):
        pytest.skip("plexctl is not installed editable here")
    check_whole(look(Installation(Path(sys.executable), clean_environment(), ROOT), tmp_path), ROOT)


def checkout(tree: Path, folder: Path) -> Installation:
    """Return an environment without plexctl whose path leads to a source tree."""
    path = ":".join(str(tree / part) for part in ("src", "providers", "templates"))
    return Installation(make_venv(folder), clean_environment(PYTHONPATH=path), tree)


def names_in(wheel: Path) -> list[str]:
    """Return the names of a wheel's files."""
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def test_wheels_are_the_same_and_hold_only_the_packages(distributions: Distributions) -> None:
    """Both wheels hold the same files: three packages and the metadata; no tests, docs or scripts."""
    names = names_in(distributions.from_checkout)
    assert names == names_in(distributions.from_sdist)
    info = f"plexctl-{__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"plexctl", "plexctl_providers", "plexctl_templates", info}
    assert not [name for name in names if "test" in name or name.endswith((".pyc", ".md"))]
    assert f"{info}/licenses/LICENSE" in names


def test_metadata_says_what_it_needs(distributions: Distributions) -> None:
    """Licence, Python, extras and the command are in the wheel's metadata; `all` is the sum of the others."""
    info = f"plexctl-{__version__}.dist-info"
    with zipfile.ZipFile(distributions.from_sdist) as wheel:
        told = HeaderParser().parsestr(wheel.read(f"{info}/METADATA").decode())
        points = wheel.read(f"{info}/entry_points.txt").decode()
    assert (told["Name"], told["Version"], told["License-Expression"]) == ("plexctl", __version__, "MIT")
    assert told["Requires-Python"] == ">=3.11"
    assert sorted(told.get_all("Provides-Extra") or []) == EXTRAS
    needs = [need.split("; extra == ") for need in told.get_all("Requires-Dist") or []]
    of_all = {need[0] for need in needs if need[1:] == ["'all'"]}
    assert of_all == {need[0] for need in needs if need[1:] and need[1:] != ["'all'"]}
    assert "plexctl = plexctl.__main__:main" in points
