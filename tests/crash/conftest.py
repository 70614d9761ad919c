from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.crash.rig import Machine

AT_ONCE = 3
"""Stories told side by side: most of their time they wait."""

Stories = dict[str, Callable[[Machine], None]]


@contextmanager
def _machine(folder: Path) -> Iterator[Machine]:
    if not Path("/proc/self/environ").exists():
        pytest.skip("what is left is looked for in /proc")
    one = Machine(folder / "home")
    try:
        yield one
    finally:
        one.end_all()


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a PLEXCTL_HOME that nothing runs in, and nothing runs in afterwards."""
    with _machine(tmp_path) as one:
        yield one


@pytest.fixture(scope="module")
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[None]]]:
    """Tell all of a module's STORIES, each on a machine of its own; a test waits for the end of its story."""
    stories: Stories = request.module.STORIES

    def tell(name: str, folder: Path) -> None:
        with _machine(folder) as one:
            stories[name](one)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        folders = {name: tmp_path_factory.mktemp("story") for name in stories}
        yield {name: pool.submit(tell, name, folder) for name, folder in folders.items()}
