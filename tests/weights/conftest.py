from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clouds.hub import Hub
from tests.weights.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Give a Hub with a small PersonaPlex, an empty cache, and a stand-in for upstream's server."""
    with Hub() as hub:
        yield World(hub, tmp_path)
