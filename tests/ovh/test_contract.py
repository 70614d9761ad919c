"""The contract of every adapter, for OVHcloud's second product: the same tests in another world."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from tests.clouds.ovh.world import AiDeployWorld
from tests.contract import (
    conftest,
    test_changes,
    test_collecting,
    test_contract,
    test_crashes,
    test_faults,
    test_leftovers,
    test_logs,
)
from tests.contract.worlds import World

journal = conftest.journal
world = conftest.world
ref = test_logs.ref
session = test_collecting.session
for _module in (
    test_contract,
    test_changes,
    test_collecting,
    test_crashes,
    test_faults,
    test_leftovers,
    test_logs,
):
    globals().update({name: test for name, test in vars(_module).items() if name.startswith("test_")})


@pytest.fixture
def new_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], World]]:
    """Give what makes an AI Deploy; the one before is closed."""
    with ExitStack() as stack:

        def make() -> World:
            stack.close()
            one = AiDeployWorld(tmp_path_factory.mktemp("world") / "home")
            stack.callback(one.close)
            return one

        yield make
