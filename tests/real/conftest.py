"""Everything here needs what `tests/real/install.sh` installs; a missing part is an error, not a skip."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tests.real.rig import ROOT, Engine, RealGateway, VoiceServer


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test of this folder; who judges real time has the machine alone."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.real)
            item.add_marker(pytest.mark.alone)


@pytest.fixture(scope="session")
def tools() -> Path:
    """Return the folder of foreign servers' and clients' environments."""
    folder = Path(os.environ.get("PLEXCTL_TEST_TOOLS", ROOT / ".venv-real"))
    assert folder.is_dir(), "run tests/real/install.sh first"
    return folder


@pytest.fixture(scope="session", params=["kyutai", "personaplex"])
def engine(request: pytest.FixtureRequest, tools: Path) -> Engine:
    """Return each real voice server; NVIDIA's needs a checkout of its source."""
    name: str = request.param
    if name == "personaplex" and not os.environ.get("PLEXCTL_TEST_PERSONAPLEX_SRC"):
        pytest.skip("PLEXCTL_TEST_PERSONAPLEX_SRC names no checkout of NVIDIA's server")
    return Engine(name, tools)


@pytest.fixture
async def bare(engine: Engine) -> AsyncIterator[VoiceServer]:
    """Run the voice server as its makers do, with nothing in front."""
    async with VoiceServer(engine) as server:
        yield server


@pytest.fixture
def gateway(engine: Engine, tmp_path: Path) -> Iterator[RealGateway]:
    """Deploy the voice server behind the gateway with `plexctl deploy --provider local`."""
    with RealGateway(tmp_path, engine.deploy_arguments) as running:
        yield running


@pytest.fixture
def echo(tmp_path: Path) -> Iterator[RealGateway]:
    """Deploy the echo engine behind the gateway."""
    with RealGateway(tmp_path, ["--engine", "echo"]) as running:
        yield running
