"""`plexctl render` of every target and profile: word for word, twice the same, without secrets, as `plan` says.

A change of the kept files is a change of what people deploy: run with PLEXCTL_TEST_WRITE_GOLDEN=1, then read the diff.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.cli.process import Plexctl, plexctl_in
from tests.cli.schemas import check
from tests.render.variants import BY_NAME, GOLDEN, SURROUNDINGS, Variant

CANARIES = {
    name: f"canary-{number}"
    for number, name in enumerate(
        (
            *("HF_TOKEN", "PLEXCTL_TOKEN", "EXTRA", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "RUNPOD_API_KEY"),
            *("VAST_API_KEY", "LAMBDA_API_KEY", "OVH_APPLICATION_SECRET", "OVH_CLIENT_SECRET", "OVH_CONSUMER_KEY"),
            *("GOOGLE_APPLICATION_CREDENTIALS", "SSH_AUTH_SOCK", "DOCKER_AUTH_CONFIG"),
        )
    )
}


def rendered(plexctl: Plexctl, variant: Variant, folder: str, env: Mapping[str, str] = {}) -> dict[str, str]:
    """Render into a folder and return its files, path to text."""
    (plexctl.work / "plexctl.toml").write_text(variant.toml, encoding="utf-8")
    result = plexctl.ok("render", *variant.argv, "--out", folder, "--json", env=SURROUNDINGS | dict(env))
    check(result.document)
    found = plexctl.work / folder
    files = {path.relative_to(found).as_posix(): path for path in found.rglob("*") if path.is_file()}
    assert sorted(files) == sorted(result.data["files"])
    return {name: path.read_text(encoding="utf-8") for name, path in sorted(files.items())}


def kept(files: Mapping[str, str], *, with_image: bool) -> dict[str, str]:
    """Return what is kept: all but the gateway's own sources; the image's files for the local provider only."""
    left_out = "/image/plexctl/" if with_image else "/image/"
    return {name: text for name, text in files.items() if left_out not in f"/{name}"}


def image_in(files: Mapping[str, str]) -> dict[str, str]:
    """Return what the image is built from, by its path in the build context."""
    return {name.partition("image/")[2]: text for name, text in files.items() if "/image/" in f"/{name}"}


@pytest.mark.parametrize("name", BY_NAME)
def test_word_for_word(plexctl: Plexctl, name: str) -> None:
    """What is rendered today is what was rendered yesterday; two renders are the same to the byte."""
    variant = BY_NAME[name]
    files = rendered(plexctl, variant, "once")
    assert files == rendered(plexctl, variant, "twice")
    mine = kept(files, with_image=variant.provider == "local")
    if os.environ.get("PLEXCTL_TEST_WRITE_GOLDEN"):
        write(GOLDEN / name, mine)
    golden = {
        path.relative_to(GOLDEN / name).as_posix(): path.read_text(encoding="utf-8")
        for path in (GOLDEN / name).rglob("*")
        if path.is_file()
    }
    assert mine == golden


@pytest.mark.parametrize("name", BY_NAME)
def test_no_secret_is_in_any_file(plexctl: Plexctl, name: str) -> None:
    """Whatever keys and tokens stand around, they change nothing and are nowhere, file names included."""
    variant = BY_NAME[name]
    files = rendered(plexctl, variant, "with", CANARIES)
    assert "canary" not in "".join(files) + "".join(files.values())
    named = {"HF_TOKEN", "PLEXCTL_TOKEN"}
    bare = rendered(plexctl, variant, "without")
    assert {path for path in files if files[path] != bare[path]} <= {
        path for path in files if any(secret in files[path] for secret in named)
    }


@pytest.fixture(scope="module")
def local_images(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Render for this machine, each profile once; return what the images are built from."""
    with plexctl_in(tmp_path_factory.mktemp("local")) as one:
        profiles = [variant for variant in BY_NAME.values() if variant.provider == "local" and not variant.toml]
        return [image_in(rendered(one, variant, variant.name)) for variant in profiles]


@pytest.mark.parametrize("name", [one.name for one in BY_NAME.values() if one.provider != "local"])
def test_the_image_is_the_local_ones(plexctl: Plexctl, local_images: list[dict[str, str]], name: str) -> None:
    """Everywhere the files of `render --provider local` are built; Modal's Dockerfile goes on from its."""
    image = image_in(rendered(plexctl, BY_NAME[name], "out"))
    if not image:
        pytest.skip(f"{name} takes an image that was named")
    dockerfile = image.pop("Dockerfile")
    assert any(one | {"Dockerfile": ""} == image | {"Dockerfile": ""} for one in local_images)
    begun = [one for one in local_images if dockerfile.startswith(one["Dockerfile"])]
    assert any(one["Dockerfile"] == dockerfile or name.startswith("modal") for one in begun)


def test_every_kept_folder_is_made() -> None:
    """No golden folder is left over."""
    assert {path.name for path in GOLDEN.iterdir()} == set(BY_NAME)


def write(folder: Path, files: Mapping[str, str]) -> None:
    """Replace a golden folder."""
    shutil.rmtree(folder, ignore_errors=True)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
