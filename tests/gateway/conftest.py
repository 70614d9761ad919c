from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from tests.gateway.rig import Gateway, running


@pytest_asyncio.fixture
async def gateway() -> AsyncIterator[Gateway]:
    """Give a ready, open gateway in front of one echo engine with one place."""
    async with running() as one:
        yield one


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared() -> AsyncIterator[Gateway]:
    """Give a ready gateway in front of an echo engine with many places, for the tests of one module."""
    async with running(PLEXCTL_ENGINE_CAPACITY="64") as one:
        yield one
