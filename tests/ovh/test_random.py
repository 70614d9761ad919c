"""Whatever goes wrong, and in whatever order: nothing is made twice, and a destroy leaves nothing."""

from __future__ import annotations

from contextlib import suppress

import pytest
from tests.clouds.runpod.faults import Chaos
from tests.ovh.rig import Rig, l4

from plexctl.errors import PlexError
from plexctl.journal import Entry

_SEEDS = range(8)
_SHARE = 0.3
"""Of all requests: dropped, refused or failed, before or after they took effect."""


@pytest.mark.parametrize("product", ["instance", "ai-deploy"])
@pytest.mark.parametrize("seed", _SEEDS)
def test_a_cloud_that_fails_at_random_is_outlasted(rig: Rig, product: str, seed: int) -> None:
    """Deploys, stops and destroys over a bad line end in errors of ours alone; over a good one, in one and in none."""
    spec, offer = rig.spec(product=product), l4("GRA11" if product == "instance" else "GRA")
    entry = rig.begin(spec, offer)
    rig.client().all_projects()
    rig.cloud.chaos = Chaos(seed, _SHARE)
    for _ in range(3):
        with suppress(PlexError):
            rig.provider(spec).apply(rig.plan(spec, offer), entry)
        with suppress(PlexError):
            rig.provider(spec).stop(entry.ref)
    rig.cloud.chaos = None
    rig.provider(spec).apply(rig.plan(spec, offer), entry)
    assert _there(rig) == ({"instance": 1, "ssh-key": 1} if product == "instance" else {"app": 1})
    assert all(one.id for one in entry.ref.resources)
    rig.cloud.chaos = Chaos(seed + 100, _SHARE)
    for _ in range(3):
        _destroy(rig, entry)
    rig.cloud.chaos = None
    _destroy(rig, entry)
    assert _there(rig) == {}
    assert rig.provider(spec).find(None) == []


def _destroy(rig: Rig, entry: Entry) -> None:
    try:
        rig.provider().destroy(entry.ref)
    except PlexError:
        assert rig.cloud.chaos is not None


def _there(rig: Rig) -> dict[str, int]:
    counts = {"instance": len(rig.cloud.instances), "ssh-key": len(rig.cloud.keys), "app": len(rig.cloud.apps)}
    return {kind: count for kind, count in counts.items() if count}
