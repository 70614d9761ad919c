"""Offers: what is searched for, what an image can serve, and what each offer tells."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from tests.clouds.vast.faults import Answer
from tests.clouds.vast.searching import Ask
from tests.clouds.vast.world import VastWorld

from plexctl.model import Need, Offer
from plexctl.spec import Spec, Vast


def search_of(world: VastWorld, need: Need, spec: Spec | None = None) -> dict[str, Any]:
    """Search, and return the body that was sent."""
    offers_of(world, need, spec)
    (body,) = [one.body for one in world.cloud.requests if one.operation == "search"]
    return dict(body)


def offers_of(world: VastWorld, need: Need, spec: Spec | None = None) -> list[Offer]:
    """Search with what a spec wishes."""
    provider = world.adapter()
    if spec is not None:
        provider.preflight(spec)
    return provider.offers(need)


def test_every_offer_tells_its_ask_its_host_and_its_bid(world: VastWorld) -> None:
    """The price has the disk in it; the region is the country."""
    world.cloud.asks[:] = [Ask(71, 5, geolocation="California, US", dph_base=0.5, min_bid=0.2)]
    (offer,) = offers_of(world, Need())
    assert offer.detail == {"ask_id": "71", "host": "5", "bid": "0.2"}
    assert (offer.gpu, offer.count, offer.region, offer.source) == ("RTX 4090", 1, "US", "Vast's own search")
    assert offer.price_usd_per_hour == pytest.approx(0.5 + 60 * 0.15 / 730, abs=1e-6)
    assert offer.as_of is not None


def test_a_need_stands_in_the_search(world: VastWorld) -> None:
    """GPU by Vast's name, memory with what cards report less, country, price."""
    body = search_of(world, Need("A100 80GB PCIe", 48, "DE", 0.8))
    assert body["gpu_name"] == {"eq": "A100 PCIE"}
    assert body["gpu_ram"] == {"gte": 46694}
    assert body["geolocation"] == {"in": ["DE"]}
    assert body["dph_total"] == {"lte": 0.8}
    assert body["allocated_storage"] == 60
    assert world.cloud.misfits == []


def test_what_the_spec_wishes_of_a_host_stands_in_the_search(world: VastWorld) -> None:
    """After preflight: reliability, speed, unverified hosts, countries, disk, a bid."""
    wishes = Vast(
        disk_gb=80,
        countries=("DE", "FR"),
        min_reliability=0.9,
        min_download_mbps=50,
        verified=False,
        bid_usd_per_hour=0.25,
    )
    body = search_of(world, Need(), structs.replace(world.spec("voice"), vast=wishes))
    assert body["type"] == "bid"
    assert body["verified"] == {"in": [True, False]}
    assert body["reliability"] == {"gte": 0.9}
    assert body["inet_down"] == {"gte": 50}
    assert body["geolocation"] == {"in": ["DE", "FR"]}
    assert body["disk_space"] == {"gte": 80}
    assert body["min_bid"] == {"lte": 0.25}


def test_a_bid_is_priced_as_bid(world: VastWorld) -> None:
    """Not at the least that would do: what is bid is what is paid."""
    world.cloud.asks[:] = [Ask(71, 5, min_bid=0.2)]
    spec = structs.replace(world.spec("voice"), vast=Vast(bid_usd_per_hour=0.25))
    (offer,) = offers_of(world, Need(), spec)
    assert offer.price_usd_per_hour == pytest.approx(0.25 + 60 * 0.15 / 730, abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "is_offered"),
    [
        ({}, True),
        ({"cuda_max_good": 11.8}, False),
        ({"gpu_name": "RTX 5090", "compute_cap": 1200, "cuda_max_good": 12.8}, True),
        ({"gpu_name": "RTX 5090", "compute_cap": 1200, "cuda_max_good": 12.4}, False),
        ({"gpu_name": "Tesla V100", "compute_cap": 700}, False),
        ({"gpu_name": "Never Heard Of", "compute_cap": 750}, False),
        ({"gpu_ram": 16_000}, False),
        ({"reliability": 0.97}, False),
        ({"inet_down": 299.0}, False),
        ({"direct_port_count": 0}, False),
        ({"verified": False}, False),
        ({"disk_space": 40.0}, False),
        ({"num_gpus": 2}, False),
        ({"cpu_arch": "arm64"}, False),
        ({"rented": True}, False),
        ({"rentable": False}, False),
        ({"external": True}, False),
    ],
)
def test_only_hosts_that_can_serve_are_offered(world: VastWorld, changes: dict[str, Any], is_offered: bool) -> None:  # noqa: FBT001
    """Each filter alone keeps a host out; the driver's CUDA must be the image's for that GPU."""
    world.cloud.asks[:] = [Ask(71, 5, **changes)]
    assert [one.detail["ask_id"] for one in offers_of(world, Need())] == ["71"] * is_offered


def test_ten_searches_a_minute_are_not_exceeded(world: VastWorld) -> None:
    """The eleventh waits for the minute to be over."""
    before = world.cloud.clock.now()
    for _ in range(11):
        world.provider().offers(Need())
    assert world.cloud.clock.now() - before >= 60
    assert world.cloud.too_soon == []


def test_an_answer_of_one_object_is_one_offer(world: VastWorld) -> None:
    """The published example is an object where the client gets a list; a row without a price is none."""
    row = Ask(71, 5).row(60, "on-demand")
    world.cloud.fail("search", Answer.of(200, {"offers": row}))
    assert len(offers_of(world, Need())) == 1
    world.cloud.fail("search", Answer.of(200, {"offers": [{**row, "dph_total": None}]}))
    assert offers_of(world, Need()) == []


@pytest.mark.parametrize("odd", [None, "0.3", [], {}, True, -1.0, float("nan"), float("inf")], ids=repr)
@pytest.mark.parametrize(
    "name",
    ["dph_total", "num_gpus", "min_bid", "gpu_name", "geolocation", "machine_id", "cuda_max_good", "compute_cap"],
)
def test_an_odd_field_is_no_traceback(world: VastWorld, name: str, odd: object) -> None:
    """An offer is left out, or has a price that is one; with a bid as well."""
    for bid in (None, 0.25):
        row = Ask(71, 5).row(60, "on-demand") | {name: odd}
        world.cloud.fail("search", Answer.of(200, {"offers": [row]}))
        spec = structs.replace(world.spec("voice"), vast=Vast(bid_usd_per_hour=bid))
        for offer in offers_of(world, Need(), spec):
            assert offer.price_usd_per_hour is not None
            assert 0 <= offer.price_usd_per_hour < 1
            assert offer.count >= 1
