from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cloudrun.ground import Ground
from tests.clouds.google import Google


@pytest.fixture
def google() -> Iterator[Google]:
    """Give a project with nothing in it, whose instances start when somebody calls."""
    with Google(runs_at_once=False) as one:
        yield one


@pytest.fixture
def ground(tmp_path: Path, google: Google) -> Ground:
    """Give a user of it."""
    return Ground(tmp_path / "home", google)
