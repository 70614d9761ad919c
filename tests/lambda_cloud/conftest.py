from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lambda_cloud.rig import Rig
from tests.machines.fixtures import machines

__all__ = ["machines"]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Give an account at Lambda whose instances run nothing."""
    with Rig(tmp_path / "home") as one:
        yield one
