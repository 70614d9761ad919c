"""Everything here needs root, podman, debootstrap and OpenSSH; without podman it is skipped by name."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.machines.fixtures import machines

__all__ = ["machines"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; the first may have to make the images."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.timeout(900))
