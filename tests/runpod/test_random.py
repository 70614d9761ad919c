"""Hundreds of lives in which every operation may fail, before or after it took effect: never two, none unknown."""

from __future__ import annotations

import time
from contextlib import suppress
from random import Random

import pytest
from tests.clouds.runpod.faults import Chaos
from tests.runpod.rig import Rig

from plexctl.errors import PlexError
from plexctl.journal import Entry
from plexctl.model import Offer, Plan, Ref

SHARE = 0.25
"""Of operations that fail."""
RUNS = 1000
_ATTEMPTS = 4
_SAMPLE_S = 8.0


class Lives:
    """Deployments one after the other, each by a seed of its own."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._offer: Offer = rig.offer()
        self._plan: Plan = rig.plan(offer=self._offer)
        self.faults = 0

    def live(self, seed: int) -> None:
        """Deploy, perhaps stop and start, destroy; all with faults. Then see what is left without any."""
        rig, cloud, random = self._rig, self._rig.cloud, Random(seed)  # noqa: S311 - the same runs each time
        entry = rig.journal.begin(Ref("runpod", "voice", f"s{seed}"), rig.spec(), self._offer)
        cloud.appears_after_s = random.choice((0.0, 0.0, 3.0))
        cloud.chaos = Chaos(seed, SHARE)
        self._try(entry, "apply", seed)
        for step in random.sample(("stop", "apply", "apply", "stop"), random.randrange(4)):
            self._try(entry, step, seed)
        if random.random() < 0.7:
            self._try(entry, "destroy", seed)
        cloud.chaos = None
        cloud.clock.sleep(10)
        self._check(entry, seed)
        for ref in (entry.ref, *rig.provider().find("voice")):
            rig.provider().destroy(ref)
        assert cloud.billing() == [], seed
        entry.gone()

    def _try(self, entry: Entry, step: str, seed: int) -> None:
        """Do it as often as a patient user would."""
        for _ in range(_ATTEMPTS):
            provider = self._rig.provider()
            with suppress(PlexError):
                if step == "apply":
                    provider.apply(self._plan, entry)
                elif step == "stop":
                    provider.stop(entry.ref)
                else:
                    provider.destroy(entry.ref)
                    # It said that it is gone: then it is.
                    assert self._rig.cloud.pods == {}, seed
                return
            assert len(self._rig.cloud.pods) <= 1, seed
            self.faults += 1

    def _check(self, entry: Entry, seed: int) -> None:
        """Assert that there is one at most, in the journal by its name, and that `find` has it."""
        pods = list(self._rig.cloud.pods.values())
        assert len(pods) <= 1, seed
        assert [pod.name for pod in pods] == [entry.ref.label] * len(pods), seed
        found = self._rig.provider().find(None)
        assert [one.resources[0].id for one in found] == [pod.id for pod in pods], seed
        known = {one.id for one in entry.ref.resources}
        assert all(pod.id in known or None in known for pod in pods), seed


def test_random_faults_make_nothing_twice_and_lose_nothing(rig: Rig) -> None:
    """As many of the thousand lives as fit into some seconds, from the first seed on."""
    lives, begun, seed = Lives(rig), time.monotonic(), 0
    while seed < RUNS and time.monotonic() - begun < _SAMPLE_S:
        lives.live(seed)
        seed += 1
    assert seed > 20
    assert lives.faults > 0


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_lives(rig: Rig) -> None:
    """All of them."""
    lives = Lives(rig)
    for seed in range(RUNS):
        lives.live(seed)
