"""A loopback Hub with accounts in every standing, and the real CLI sent there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.clouds.hub import Hub
from tests.licence.world import populate


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Give a Hub with PersonaPlex and people; ended afterwards, with whatever still waits for it."""
    with Hub() as one:
        populate(one)
        yield one
