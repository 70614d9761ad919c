"""Everything here needs root, podman and debootstrap; without them it is skipped by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.containers.fixtures import (
    base_image,
    docker_host,
    echo_image,
    podman,
    podman_store,
    python312_image,
    test_images,
)

__all__ = ["base_image", "docker_host", "echo_image", "podman", "podman_store", "python312_image", "test_images"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; the first may have to make the test images."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.timeout(900))
