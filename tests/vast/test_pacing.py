"""Vast's minimum intervals, with a clock that waits for nobody."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
from tests.clouds.vast.limits import INTERVALS_S, SEARCH_WINDOW_S, SEARCHES
from tests.clouds.vast.world import VastWorld

from plexctl.secret import Secret
from plexctl_providers.vast.pacing import ALLOWED, Pacing, pace_of


class Watch:
    """A clock that only goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        """Return its time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Go on."""
        self.time += seconds


@pytest.fixture
def watch() -> Watch:
    """Give a clock."""
    return Watch()


@pytest.fixture
def pace(watch: Watch) -> Pacing:
    """Give a pace by that clock."""
    return Pacing(watch.now, watch.sleep)


def test_the_published_intervals_are_kept() -> None:
    """Those that the loopback judges by are those that are kept."""
    assert {name: ALLOWED[name] for name in INTERVALS_S if name in ALLOWED} == {
        name: (1, seconds) for name, seconds in INTERVALS_S.items() if name in ALLOWED
    }
    assert ALLOWED["search"] == (SEARCHES, SEARCH_WINDOW_S)


def test_the_first_goes_at_once_and_the_next_waits(pace: Pacing, watch: Watch) -> None:
    """A create every 4.5 seconds, and other kinds meanwhile."""
    pace.turn("create")
    pace.turn("list")
    assert watch.time == 100.0
    pace.turn("create")
    assert watch.time == pytest.approx(104.6)


def test_an_interval_begins_with_the_answer(pace: Pacing, watch: Watch) -> None:
    """A request that took three seconds may have come at the end of them: the next is not too close to it."""
    pace.turn("list")
    watch.sleep(3.0)
    pace.answered("list")
    pace.turn("list")
    assert watch.time == pytest.approx(104.1)


def test_a_window_of_ten(pace: Pacing, watch: Watch) -> None:
    """Ten searches at once, the eleventh after the minute."""
    for _ in range(10):
        pace.turn("search")
    assert watch.time == 100.0
    pace.turn("search")
    assert watch.time == pytest.approx(160.1)


def test_what_vast_asks_for_is_waited(pace: Pacing, watch: Watch) -> None:
    """After a 429 nothing of that kind goes before the time that was told."""
    pace.hold_off("list", 7.0)
    pace.turn("list")
    assert watch.time == pytest.approx(107.0)


def test_what_was_said_is_as_old_as_allowed(pace: Pacing, watch: Watch) -> None:
    """Fresh enough it is told again, older or forgotten it is not."""
    pace.note(7, "row")
    watch.sleep(2)
    assert pace.recall(7, 2.0) == "row"
    watch.sleep(0.1)
    assert pace.recall(7, 2.0) is None
    pace.forget(7)
    assert pace.recall(7, 99.0) is None


def test_both_marketplaces_clients_are_installed_together() -> None:
    """Without its floor, pip takes a vastai-sdk 0.2.5 beside runpod, whose list of instances is always empty."""
    numbers = {name: tuple(map(int, version(name).split(".")[:2])) for name in ("vastai", "vastai-sdk", "runpod")}
    assert numbers["vastai-sdk"] == numbers["vastai"] >= (1, 9)
    assert (1, 10) <= numbers["runpod"] < (1, 12)


def test_another_process_of_the_account_is_waited_for(world: VastWorld) -> None:
    """Two that do not know of each other: the second hears 429 once, waits the interval, and is answered."""
    world.adapter().check_credentials()
    world.provider().find(None)
    world.pace = Pacing(world.cloud.clock.now, world.cloud.clock.sleep)
    before = world.cloud.clock.now()
    assert world.provider().find(None) == []
    assert world.cloud.too_soon == ["list"]
    assert 1.0 <= world.cloud.clock.now() - before < 3.0


def test_each_account_has_a_pace_of_its_own() -> None:
    """Adapters come and go; what one account or address was told is nothing to another."""
    key, other = Secret("a"), Secret("b")
    assert pace_of("https://one", key) is pace_of("https://one", Secret("a"))
    assert len({id(pace_of(address, one)) for address in ("https://one", "https://two") for one in (key, other)}) == 4


def test_what_the_vendors_client_warns_of_is_not_ours() -> None:
    """It imports `distutils` where that is Python's own and deprecated: no warning, and no failure."""
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "from plexctl_providers.vast.client import VastClient\n"
        "VastClient({'VAST_API_KEY': 'k', 'VAST_URL': 'http://127.0.0.1:1'}, (), None)._sdk\n"
    )
    environment = {**os.environ, "SETUPTOOLS_USE_DISTUTILS": "stdlib"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
