"""Fixtures for tests in real containers; another folder's conftest imports them by name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.cli.process import plexctl_in
from tests.containers.image import TOKEN, build, render
from tests.containers.rig import DEBIAN, PYTHON312, Podman, base_images, missing, podman_in_own_store

__all__ = ["base_image", "docker_host", "echo_image", "podman", "podman_store", "python312_image", "test_images"]


@pytest.fixture(scope="session")
def test_images() -> list[str]:
    """Return the names of the test images; the first session on a machine makes them."""
    why = missing()
    if why is not None:
        pytest.skip(why)
    return base_images()


@pytest.fixture(scope="session")
def base_image(test_images: list[str]) -> str:
    """Return the image to build the echo profile on: Debian with Python."""
    assert DEBIAN in test_images
    return DEBIAN


@pytest.fixture(scope="session")
def python312_image(test_images: list[str]) -> str:
    """Return the image to build profiles with torch on."""
    if PYTHON312 not in test_images:
        pytest.skip("this machine has no Python 3.12 to put into a test image")
    return PYTHON312


@pytest.fixture(scope="session")
def podman_store(test_images: list[str]) -> Iterator[Podman]:
    """Give podman with the session's own store: images that are built stay until its end."""
    assert test_images
    with podman_in_own_store() as one:
        yield one


@pytest.fixture
def podman(podman_store: Podman) -> Iterator[Podman]:
    """Give podman; afterwards no container, network or volume is left that was not there before."""
    with podman_store.leaves_nothing():
        yield podman_store


@pytest.fixture(scope="session")
def docker_host(podman_store: Podman) -> Iterator[str]:
    """Give the DOCKER_HOST of podman's service on the session's store."""
    with podman_store.service() as address:
        yield address


@pytest.fixture(scope="session")
def echo_image(podman_store: Podman, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the echo profile's image, built from rendered files as they are, with secrets lying beside them."""
    with plexctl_in(tmp_path_factory.mktemp("image")) as plexctl:
        context = render(plexctl, engine="echo") / "image"
        for stray in (".env", "plexctl/gateway/key.pem", "plexctl/gateway/mine.py", "weights.safetensors"):
            (context / stray).write_text(f"# {TOKEN}\n")
        return build(podman_store, context, "localhost/plexctl-test:echo", f"--build-arg=BASE_IMAGE={base_image}")
