"""Whatever fails, before or after it took effect, from a fixed seed: never two, and never one that nobody knows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from tests.clouds.vast.faults import Chance
from tests.clouds.vast.world import VastWorld, folder_in_memory
from tests.contract.steps import begin, bring_up

from plexctl.errors import PlexError
from plexctl.journal import Entry, open_journal

SEED = 20_261_121
RUNS = 1_000
_LIMIT_S = 9.0
_ATTEMPTS = 4


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder in memory where the machine has one."""
    with folder_in_memory() as one:
        yield one


def test_random_faults_leave_no_second_and_no_unknown_one(folder: Path) -> None:
    """As many runs as nine seconds have; every one is also among the thousand."""
    end, number = time.monotonic() + _LIMIT_S, 0
    while time.monotonic() < end and number < RUNS:
        run(folder, number)
        number += 1
    assert number > 5


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_runs(folder: Path) -> None:
    """All of them."""
    for number in range(RUNS):
        run(folder, number)


def run(folder: Path, number: int) -> None:
    """Deploy, stop and destroy while a quarter of all requests fail, and look after each step."""
    world = VastWorld(folder / str(number))
    try:
        with open_journal(world.home, time.time) as journal:
            entry = begin(world, journal)
            world.cloud.chance = Chance(Random(SEED + number))  # noqa: S311 - a seed that repeats is what is wanted
            for _ in range(_ATTEMPTS):
                with suppress(PlexError):
                    bring_up(world, entry)
                check(world, entry, f"seed {SEED + number}, after an apply")
            with suppress(PlexError):
                world.provider().stop(entry.ref)
                assert all(one.intended == "stopped" for one in world.cloud.instances.values())
            check(world, entry, f"seed {SEED + number}, after a stop")
            with suppress(PlexError):
                world.provider().destroy(entry.ref)
                assert world.cloud.instances == {}, f"seed {SEED + number}: a success that was none"
            world.cloud.chance = None
            world.provider().destroy(entry.ref)
            assert world.cloud.bills() == {}
            assert world.cloud.too_soon == [], f"seed {SEED + number}: came too soon"
    finally:
        world.close()
        shutil.rmtree(world.home)


def check(world: VastWorld, entry: Entry, when: str) -> None:
    """Assert that there is at most one, that the journal knows its label and id, and that it is found."""
    chance, world.cloud.chance = world.cloud.chance, None
    made = [str(number) for number in world.cloud.instances]
    assert len(made) <= 1, when
    if made:
        (recorded,) = entry.ref.resources
        assert recorded.name == entry.ref.label, when
        assert recorded.id in (None, made[0]), when
        assert [(one.name, one.id) for one in world.provider().find(None)] == [("voice", entry.ref.id)], when
    world.cloud.chance = chance
