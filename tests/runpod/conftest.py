from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.runpod.rig import Rig


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Give a RunPod whose pods run nothing."""
    with Rig(tmp_path / "home") as one:
        one.cloud.running.has_gateways = False
        yield one


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Rig]:
    """Give a RunPod whose pods run the real gateway."""
    with Rig(tmp_path / "home") as one:
        one.cloud.running.is_lazy = False
        yield one
