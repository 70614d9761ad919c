"""Quota and polling: RunPod's limits are never run into, and its refusals are waited for."""

from __future__ import annotations

from itertools import pairwise

import pytest
from tests.runpod.rig import Rig

from plexctl.errors import ProviderError
from plexctl_providers.runpod.pacing import POLL_S


def test_a_429_with_retry_after_is_waited_for(rig: Rig) -> None:
    """As long as it says, and the create is sent again then: a refused request had no effect."""
    rig.cloud.fail("create", 429, headers={"Retry-After": "12"})
    before = rig.cloud.clock.now()
    rig.deploy(rig.begin())
    assert rig.cloud.clock.now() >= before + 12
    assert (rig.counted("create"), len(rig.cloud.pods)) == (2, 1)


@pytest.mark.parametrize("headers", [{}, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, {"Retry-After": "-1"}])
def test_a_429_in_plain_text_is_waited_for(rig: Rig, headers: dict[str, str]) -> None:
    """A proxy's refusal has no JSON, and perhaps no time that we read: some seconds, then again."""
    rig.cloud.fail("list", 429, plain=True, times=2, headers=headers)
    before = rig.cloud.clock.now()
    assert rig.provider().find(None) == []
    assert before + 10 <= rig.cloud.clock.now() < before + 30


def test_a_429_for_ever_is_an_error(rig: Rig) -> None:
    """After five refusals the words say what to do."""
    rig.cloud.fail("list", 429, plain=True, times=None)
    with pytest.raises(ProviderError) as caught:
        rig.provider().find(None)
    assert "by the minute" in str(caught.value.hint)
    assert rig.counted("list") == 5


def test_a_quota_is_never_run_into(rig: Rig) -> None:
    """With twenty requests a minute, sixty looks take more than two minutes and not one is refused."""
    rig.cloud.quota = 20
    provider, before = rig.provider(), rig.cloud.clock.now()
    for _ in range(60):
        provider.find(None)
    assert rig.cloud.clock.now() - before > 100
    assert {one.status for one in rig.cloud.seen} == {200}


def test_the_quota_of_a_day_is_not_waited_for(rig: Rig) -> None:
    """An hour until the next request is nothing to hang on: said at once, with the time."""
    rig.cloud.fail("list", 429, headers={"RateLimit": '"minute";r=9;t=12, "hour";r=0;t=3600', "Retry-After": "3600"})
    with pytest.raises(ProviderError, match="for another 60 minutes"):
        rig.provider().find(None)


def test_a_deployment_is_not_looked_at_faster_than_is_of_use(rig: Rig) -> None:
    """Whoever asks without a pause waits: fresh adapters of one process share the pace."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.provider().status(entry.ref)
    before = rig.cloud.clock.now()
    for _ in range(10):
        rig.provider().status(entry.ref)
    assert rig.cloud.clock.now() - before >= 10 * POLL_S - 0.01
    looks = [one.at for one in rig.cloud.seen if one.operation == "get"]
    assert min(later - sooner for sooner, later in pairwise(looks)) >= POLL_S - 0.01
