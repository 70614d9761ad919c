"""What `pip install plexctl` brings along, read from this environment: at most 40 distributions and 70 MB."""

from __future__ import annotations

from importlib.metadata import Distribution, distribution
from importlib.util import cache_from_source
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

MOST_DISTRIBUTIONS = 40
MOST_BYTES = 70_000_000


def closure(name: str, extras: frozenset[str] = frozenset()) -> dict[str, Distribution]:
    """Return a distribution with all that it needs here, by name."""
    found: dict[str, Distribution] = {}
    waiting = [(canonicalize_name(name), extras)]
    seen = set()
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        found[current[0]] = distribution(current[0])
        for text in found[current[0]].requires or []:
            need = Requirement(text)
            wanted = [{"extra": extra} for extra in ("", *current[1])]
            if need.marker is None or any(need.marker.evaluate(environment) for environment in wanted):
                waiting.append((canonicalize_name(need.name), frozenset(need.extras)))
    return found


def size_of(one: Distribution, *, with_bytecode: bool) -> int:
    """Return the bytes of a distribution's files on the disk."""
    paths = {Path(str(file.locate())) for file in one.files or []}
    sources = {path for path in paths if path.suffix != ".pyc" and path.is_file()}
    scripts = [path for path in sources if with_bytecode and path.suffix == ".py"]
    compiled = {path for path in (Path(cache_from_source(str(script))) for script in scripts) if path.is_file()}
    return sum(path.stat().st_size for path in sources | compiled)


def test_core_is_small(capsys: pytest.CaptureFixture[str]) -> None:
    """Plexctl without extras needs at most 40 distributions and 70 MB, its bytecode included."""
    found = closure("plexctl")
    without, including = (
        sum(size_of(one, with_bytecode=compiled) for one in found.values()) for compiled in (False, True)
    )
    with capsys.disabled():
        print(f"\ncore: {len(found)} distributions, {without / 1e6:.1f} MB, with bytecode {including / 1e6:.1f} MB")  # noqa: T201
    assert len(found) <= MOST_DISTRIBUTIONS, sorted(found)
    assert including <= MOST_BYTES
