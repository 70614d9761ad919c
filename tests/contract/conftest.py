from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.worlds import WORLDS, World

from plexctl.journal import Journal, open_journal


@pytest.fixture(params=sorted(WORLDS))
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Give each adapter's world in turn."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("what runs is looked up in /proc")
    one = WORLDS[request.param](tmp_path / "home")
    try:
        yield one
    finally:
        one.close()


@pytest.fixture
def journal(world: World) -> Iterator[Journal]:
    """Open a journal in the world's folder."""
    with open_journal(world.home, time.time) as one:
        yield one
