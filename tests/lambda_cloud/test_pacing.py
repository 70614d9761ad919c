from __future__ import annotations

from itertools import pairwise

import pytest
from tests.clouds.lambda_cloud.server import LAUNCH
from tests.clouds.vast.clock import Clock as Skipping
from tests.lambda_cloud.rig import Rig

from plexctl.errors import ProviderError
from plexctl.model import Need
from plexctl_providers._common.clock import Clock
from plexctl_providers.lambda_cloud.pacing import LAUNCH_S, REQUEST_S, Pace


def test_no_two_requests_within_a_second(rig: Rig) -> None:
    """A deploy and a destroy keep to a request a second, whichever adapter asks: nothing is answered with 429."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.destroy(entry.ref)
    times = [one.at for one in rig.cloud.seen]
    assert min(after - before for before, after in pairwise(times)) >= REQUEST_S
    assert 429 not in [one.status for one in rig.cloud.seen]


def test_no_two_launches_within_twelve_seconds(rig: Rig) -> None:
    """Two deployments, one after the other, launch twelve seconds apart; Lambda never has to refuse one."""
    for name in ("voice", "other"):
        rig.apply(rig.begin(name), rig.plan(rig.spec(name)))
    first, second = [one.at for one in rig.cloud.seen if one.operation == LAUNCH]
    assert second - first >= LAUNCH_S
    assert rig.cloud.counted(LAUNCH) == 2


@pytest.mark.parametrize(("told", "least_s"), [(None, 5.0), ("7", 7.0), ("soon", 5.0)])
def test_a_429_is_waited_for(rig: Rig, told: str | None, least_s: float) -> None:
    """As long as its Retry-After says, or a few seconds where it says nothing of use; then the answer is had."""
    rig.cloud.fail("GET /instance-types", 429, retry_after=told)
    assert rig.provider().offers(Need(gpu="A10"))
    refused, answered = [one.at for one in rig.cloud.seen]
    assert answered - refused >= least_s


def test_each_429_is_waited_for_longer(rig: Rig) -> None:
    """The waits double; after six refusals of one request it is an error that says why, and nothing was launched."""
    rig.cloud.fail(LAUNCH, 429, times=None)
    with pytest.raises(ProviderError, match="launch an instance") as caught:
        rig.apply(rig.begin())
    times = [one.at for one in rig.cloud.seen if one.operation == LAUNCH]
    waits = [round(after - before) for before, after in pairwise(times)]
    assert len(times) == 6
    assert waits == sorted(waits)
    assert waits[-1] >= 60
    assert "one request a second" in (caught.value.hint or "")
    assert rig.cloud.living() == []


def test_a_launch_takes_the_turn_of_a_request_as_well() -> None:
    """By the clock: a launch, then a read a second later, then the next launch twelve seconds after the first."""
    clock = Skipping()
    mine = Clock(clock.now, clock.sleep)
    pace, begun = Pace(), clock.now()
    at = []
    for is_launch in (True, False, True, False):
        pace.turn(mine, is_launch=is_launch)
        at.append(round(clock.now() - begun))
    assert at == [0, 1, 12, 13]
