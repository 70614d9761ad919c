from __future__ import annotations

import socket
from pathlib import Path

import pytest
from tests.containers.rig import Podman


def forget(podman: Podman, image: str) -> None:
    """Make one of each kind and leave them."""
    with podman.leaves_nothing():
        podman("network", "create", "lost")
        podman("volume", "create", "spilt")
        podman("create", "--name", "forgotten", image, "true")


def test_what_a_test_leaves_is_found_and_removed(podman_store: Podman, base_image: str) -> None:
    """A container, a network and a volume that stay behind fail the test that left them, and are gone afterwards."""
    before = podman_store.held()
    with pytest.raises(AssertionError, match=r"left behind: .*'forgotten'.*'lost'.*'spilt'"):
        forget(podman_store, base_image)
    assert podman_store.held() == before


def test_the_store_is_the_sessions_own(podman: Podman, docker_host: str) -> None:
    """Nothing of other users of this machine is in it, and the service of that store answers."""
    assert podman.held() == {"containers": [], "networks": ["podman"], "volumes": []}
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(docker_host.removeprefix("unix://"))
    assert Path(docker_host.removeprefix("unix://")).is_relative_to(podman.folder)
