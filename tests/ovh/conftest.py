from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.machines.fixtures import machines
from tests.ovh.rig import Rig

__all__ = ["machines"]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Give an OVHcloud whose instances are addresses alone."""
    with Rig(tmp_path / "home") as one:
        yield one
