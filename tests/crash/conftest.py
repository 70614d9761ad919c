from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.crash.rig import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """Give a PLEXCTL_HOME that nothing runs in, and nothing runs in afterwards."""
    if not Path("/proc/self/environ").exists():
        pytest.skip("what is left is looked for in /proc")
    one = Machine(tmp_path / "home")
    try:
        yield one
    finally:
        one.end_all()
