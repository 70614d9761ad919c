"""A price source on the loopback, and a day from which ages are counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.catalog.source import Source, serving


@pytest.fixture
def source() -> Iterator[Source]:
    """Give a price source of the test's own."""
    with serving() as one:
        yield one
