from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clouds.modal import Modal
from tests.modal.ground import Ground


@pytest.fixture
def cloud() -> Iterator[Modal]:
    """Give a Modal on the loopback."""
    with Modal() as one:
        yield one


@pytest.fixture
def ground(cloud: Modal, tmp_path: Path) -> Iterator[Ground]:
    """Give an adapter's surroundings over the loopback Modal."""
    with Ground.over(cloud, tmp_path) as one:
        yield one
