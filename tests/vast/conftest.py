from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.clouds.vast.running import RealGateway
from tests.clouds.vast.world import VastWorld

from plexctl.journal import Journal, open_journal


@pytest.fixture
def new_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], VastWorld]]:
    """Give what makes an account; all of them end with the test."""
    with ExitStack() as stack:

        def make() -> VastWorld:
            one = VastWorld(tmp_path_factory.mktemp("vast") / "home")
            stack.callback(one.close)
            return one

        yield make


@pytest.fixture
def world(new_world: Callable[[], VastWorld]) -> VastWorld:
    """Give an account whose gateways are stand-ins."""
    return new_world()


@pytest.fixture
def real(tmp_path: Path) -> Iterator[VastWorld]:
    """Give an account whose instances run the real gateway."""
    one = VastWorld(tmp_path / "home", RealGateway)
    yield one
    one.close()


@pytest.fixture
def journal(world: VastWorld) -> Iterator[Journal]:
    """Open a journal in the world's folder."""
    with open_journal(world.home, world.cloud.clock.wall) as one:
        yield one
