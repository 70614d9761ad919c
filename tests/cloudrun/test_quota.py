"""Before anything is made: whether the region that was chosen has room for what all of its services may grow to."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cloudrun.ground import Ground, spec_of
from tests.clouds.google import Google
from tests.flows.conftest import Clock, Reporter

from plexctl.catalog.wishes import Wish, gpus_of
from plexctl.errors import PreflightError
from plexctl.flows.preparing import Order, Prepared, prepare
from plexctl.flows.session import Session
from plexctl.model import Offer

OFFLINE = {"HF_HUB_OFFLINE": "1"}
"""The licence is not asked for: there is no hub."""
ELSEWHERE = Offer("cloudrun", "L4", 1, "europe-west4", None, "a sample", None)
"""Not in the first region of those with its GPU."""


def prepared(google: Google, home: Path, region: str) -> Prepared:
    """Prepare a deploy with an L4 in a region, as the CLI does."""
    clock = Clock()
    session = Session(
        home=home,
        environ=google.environment,
        reporter=Reporter(),
        now=clock.now,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
    )
    wish = Wish(providers=("cloudrun",), gpu_words="L4", gpus=gpus_of("L4"), region=region)
    return prepare(session, Order(spec_of(env=OFFLINE), wish))


def test_the_quota_of_the_chosen_region_counts(ground: Ground, google: Google, tmp_path: Path) -> None:
    """A region that is full refuses with exit 6 and nothing is made; one with room is taken."""
    google.books.quotas = {"MemAllocPerProjectRegion": 40 * 2**30, "CpuAllocPerProjectRegion": 10**9}
    with ground.begun(spec_of(name="other"), ELSEWHERE) as entry:
        ground.apply(entry, spec_of(name="other"), ELSEWHERE)
    before = list(google.mutations)
    with pytest.raises(PreflightError, match="64 of 40 GiB of memory in europe-west4 with 1 other") as caught:
        prepared(google, tmp_path / "mine", "europe-west4")
    assert caught.value.exit_code == 6
    with_room = prepared(google, tmp_path / "mine", "asia-southeast1")
    assert with_room.offer.region == "asia-southeast1"
    assert any("32 of 40 GiB of memory in asia-southeast1" in one.message for one in with_room.findings)
    assert google.mutations == before
