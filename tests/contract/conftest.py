from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.contract.worlds import ON_MACHINES, WORLDS, World
from tests.machines.fixtures import machines

from plexctl.journal import Journal, open_journal

__all__ = ["machines"]

_REAL = [pytest.param(name, marks=(pytest.mark.real, pytest.mark.timeout(600))) for name in sorted(ON_MACHINES)]


_IN_SAMPLE: dict[str, tuple[str, ...]] = {"ssh": ("test_contract.py", "test_changes.py", "test_logs.py"), "ovh": ()}
"""Where each test takes new machines: what `make test-real` takes of them. `make test-slow` runs the others."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave to `make test-slow` what takes long with machines."""
    here = Path(__file__).parent
    for item in items:
        if item.path.parent == here and item.get_closest_marker("real"):
            world = item.name.rpartition("[")[2].removesuffix("]")
            if item.path.name not in _IN_SAMPLE[world]:
                item.add_marker(pytest.mark.slow)


@pytest.fixture(params=[*sorted(WORLDS), *_REAL])
def new_world(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], World]]:
    """Give what makes a world of each adapter in turn; the one before is closed."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("what runs is looked up in /proc")
    with ExitStack() as stack:

        def make() -> World:
            stack.close()
            home = tmp_path_factory.mktemp("world") / "home"
            if request.param in WORLDS:
                one = WORLDS[request.param](home)
            else:
                one = ON_MACHINES[request.param](home, request.getfixturevalue("machines"))
            stack.callback(one.close)
            return one

        yield make


@pytest.fixture
def world(new_world: Callable[[], World]) -> World:
    """Give a world of each adapter in turn."""
    return new_world()


@pytest.fixture
def journal(world: World) -> Iterator[Journal]:
    """Open a journal in the world's folder."""
    with open_journal(world.home, time.time) as one:
        yield one
