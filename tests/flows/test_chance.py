"""Deploy, stop, start and destroy in any order while Vast fails at random, from a fixed seed: what the flows say is so.

The adapter's own runs are in `tests/vast/test_chance.py`; here candidates, deny-list and journal are in play as well.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from random import Random

import pytest
from tests.clouds.vast.faults import Chance
from tests.clouds.vast.world import CUDA, IMAGE, SECRETS, VastAlone, VastWorld, folder_in_memory
from tests.flows.conftest import Reporter

from plexctl.catalog.wishes import Wish
from plexctl.errors import PlexError
from plexctl.flows import operate
from plexctl.flows.asking import Order
from plexctl.flows.bringing import Acting
from plexctl.flows.deploy import deploy
from plexctl.flows.preparing import prepare
from plexctl.flows.session import Session
from plexctl.spec import Image, Spec

SEED = 20_261_122
RUNS = 1_000
_LIMIT_S = 6.0
_COMMANDS = 6
_SHARES = (0.05, 0.15, 0.25)
SPEC = Spec(name="voice", provider="vast", engine="personaplex", image=Image(name=IMAGE), secrets=tuple(SECRETS))


class Commands:
    """What a user types, in one process, at a Vast that may fail."""

    def __init__(self, world: VastWorld) -> None:
        clock = world.cloud.clock
        environ = {"HF_HUB_OFFLINE": "1", "VAST_API_KEY": world.key, "VAST_URL": world.cloud.url}
        self.world = world
        self.session = Session(
            world.home,
            environ,
            Reporter(),
            SECRETS["PLEXCTL_TOKEN"],
            now=clock.wall,
            monotonic=clock.now,
            sleep=self._sleep,
            adapters=VastAlone(world),
        )
        self.by_name: dict[str, Callable[[], object]] = {
            "deploy": self._deploy,
            "stop": partial(operate.stop, self.session, "voice"),
            "start": partial(operate.start, self.session, "voice", lambda _: SECRETS),
            "destroy": partial(operate.destroy, self.session, "voice"),
        }

    async def _sleep(self, seconds: float) -> None:
        self.world.cloud.clock.sleep(seconds)
        await asyncio.sleep(0.001)

    def _deploy(self) -> object:
        prepared = prepare(self.session, Order(SPEC, Wish(providers=("vast",))))
        return deploy(self.session, prepared, Acting(SECRETS, print, probe=False))

    def run(self, name: str) -> str | None:
        """Run one; return None for a success, or what it ended with."""
        try:
            self.by_name[name]()
        except PlexError as error:
            return error.message
        return None

    def check(self, name: str, failure: str | None) -> None:
        """Hold what was said against the books: one at most, known to the journal, and as told."""
        cloud = self.world.cloud
        labels = [one.label for one in cloud.instances.values()]
        assert len(labels) <= 1
        assert set(labels) <= {one.ref.label for one in self.session.records()}
        gpus = sum("gpu" in one for one in cloud.bills().values())
        if failure is None:
            wanted = {"deploy": (1, 1), "start": (1, 1), "stop": (0, len(labels)), "destroy": (0, 0)}[name]
            assert (gpus, len(labels)) == wanted
        elif failure.endswith("nothing of it is left"):
            assert labels == []
        elif failure.endswith("it is stopped"):
            assert gpus == 0


@pytest.fixture
def folder() -> Iterator[Path]:
    """Give a folder in memory where the machine has one."""
    with folder_in_memory() as one:
        yield one


def test_what_is_said_is_so_whatever_fails(folder: Path) -> None:
    """As many runs as six seconds have; every one is also among the thousand."""
    end, number = time.monotonic() + _LIMIT_S, 0
    while time.monotonic() < end and number < RUNS:
        run(folder, number)
        number += 1
    assert number > 2


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_runs(folder: Path) -> None:
    """All of them."""
    for number in range(RUNS):
        run(folder, number)


def run(folder: Path, number: int) -> None:
    """Do six things by chance, check each, and end it all without faults."""
    world, chance = VastWorld(folder / str(number)), Random(SEED + number)  # noqa: S311 - a seed that repeats is wanted
    commands, told = Commands(world), [f"seed {SEED + number}"]
    world.cloud.bad_machines = {501: CUDA} if chance.random() < 0.5 else {}
    world.cloud.chance = Chance(chance, chance.choice(_SHARES))
    try:
        for _ in range(_COMMANDS):
            name = chance.choice(["deploy", *commands.by_name])
            failure = commands.run(name)
            told.append(f"{name}: {failure}")
            commands.check(name, failure)
        world.cloud.chance = None
        commands.run("destroy")
        assert world.cloud.bills() == {}
        assert world.cloud.too_soon == []
    except AssertionError as error:
        error.add_note("; ".join(told))
        raise
    finally:
        world.close()
        shutil.rmtree(world.home)
