from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.process import Plexctl
from tests.containers.fixtures import base_image, docker_host, podman, podman_store, test_images
from tests.containers.rig import Podman
from tests.runtime.proxy import Proxy, proxy_to
from tests.runtime.rig import Here

__all__ = ["base_image", "docker_host", "podman", "podman_store", "test_images"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give tests in containers time: the first may have to make the test images."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("real"):
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def echo_image(docker_host: str, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the id of the echo profile's image, built once with the real CLI."""
    one = Plexctl(tmp_path_factory.mktemp("image"))
    one.work.mkdir()
    argv = ("image", "build", "--engine", "echo", "--base", base_image, "--json")
    done = one(*argv, env={"DOCKER_HOST": docker_host}, timeout_s=600)
    assert done.rc == 0, done.stdout
    return str(done.data["id"])


@pytest.fixture
def here(plexctl: Plexctl, podman: Podman, docker_host: str, echo_image: str) -> Iterator[Here]:
    """Give the real CLI with an engine that has the echo image; afterwards nothing of its deployments is left."""
    one = Here(plexctl, podman, docker_host, echo_image)
    yield one
    one.end_all()


@pytest.fixture
def proxy(docker_host: str, podman: Podman) -> Iterator[Proxy]:
    """Give a socket in front of the engine, on which requests can be held."""
    path = podman.folder / "proxy.sock"
    with proxy_to(docker_host, path) as one:
        yield one
    path.unlink(missing_ok=True)
