from __future__ import annotations

import pytest
from tests.clouds.lambda_cloud.state import region
from tests.lambda_cloud.rig import Rig

from plexctl.model import Level, Need, Offer
from plexctl_providers.lambda_cloud.states import STATE_MAP


def offered(offers: list[Offer]) -> list[tuple[str | None, int, str | None, float | None]]:
    """Return what matters of offers."""
    return [(one.gpu, one.count, one.region, one.price_usd_per_hour) for one in offers]


def test_one_offer_for_each_type_and_region_with_capacity(rig: Rig) -> None:
    """At the price of this moment; what is sold out and what nobody knows is left out."""
    found = rig.provider().offers(Need())
    assert offered(found) == [
        ("A10", 1, "us-east-1", 0.86),
        ("A10", 1, "us-west-1", 0.86),
        ("H100 PCIe", 1, "us-south-1", 2.86),
        ("H100 PCIe", 1, "us-west-1", 2.86),
        ("H100 SXM", 8, "us-south-1", 26.32),
        ("GH200", 1, "us-east-1", 1.71),
    ]
    assert found[0].detail == {"instance_type": "gpu_1x_a10"}
    assert rig.provider().capabilities.offers_are_stock


@pytest.mark.parametrize(
    ("need", "regions"),
    [
        (Need(gpu="A10"), ["us-east-1", "us-west-1"]),
        (Need(gpu="a10", region="us-west-1"), ["us-west-1"]),
        (Need(gpu="H100", max_price_usd_per_hour=3), ["us-south-1", "us-west-1"]),
        (Need(min_vram_gib=90), ["us-east-1"]),
        (Need(gpu="A6000"), []),
        (Need(max_price_usd_per_hour=0.5), []),
    ],
)
def test_offers_heed_the_need(rig: Rig, need: Need, regions: list[str]) -> None:
    """GPU by any of its names, memory, region and price."""
    assert [one.region for one in rig.provider().offers(need)] == regions


def test_offers_are_where_the_spec_can_be(rig: Rig) -> None:
    """The region that it names, or that of its file system, once a preflight has told the spec."""
    provider = rig.provider()
    provider.preflight(rig.spec(region="us-west-1"))
    assert {one.region for one in provider.offers(Need(gpu="A10"))} == {"us-west-1"}
    rig.cloud.systems["1"] = {"id": "1", "name": "weights", "region": region("us-east-1")}
    provider.preflight(rig.spec(file_system="weights"))
    assert {one.region for one in provider.offers(Need(gpu="A10"))} == {"us-east-1"}


def test_preflight_tells_what_stands_in_the_way(rig: Rig) -> None:
    """An image family that nobody has, and a file system in another region than the spec's, are failures."""
    rig.cloud.systems["1"] = {"id": "1", "name": "weights", "region": region("us-west-1")}

    def levels(**wish: str) -> dict[str, Level]:
        return {one.check: one.level for one in rig.provider().preflight(rig.spec(**wish))}

    assert levels() == {"credentials-lambda": Level.OK, "image-family": Level.OK}
    assert levels(image_family="lambda-stack-18-04")["image-family"] is Level.FAIL
    assert levels(file_system="weights")["file-system"] is Level.OK
    assert levels(file_system="weights", region="us-east-1")["file-system"] is Level.FAIL
    assert levels(file_system="another", region="us-east-1") == levels()


def test_an_offer_is_checked_where_it_is(rig: Rig) -> None:
    """GH200 has an aarch64 host, whose image an older family lacks; a file system must be in the very region."""
    provider = rig.provider()
    gh200 = rig.offer("GH200")
    assert provider.check_offer(rig.spec(), gh200) == []
    (found,) = provider.check_offer(rig.spec(image_family="lambda-stack-22-04"), gh200)
    assert (found.level, found.message) == (
        Level.FAIL,
        "us-east-1 has no image of family lambda-stack-22-04 for aarch64",
    )
    rig.cloud.systems["1"] = {"id": "1", "name": "weights", "region": region("us-west-1")}
    (found,) = provider.check_offer(rig.spec(file_system="weights"), rig.offer())
    assert (found.level, found.check) == (Level.FAIL, "file-system")


@pytest.mark.parametrize("name", [*STATE_MAP, "hibernating"])
def test_every_state_is_one_of_ours(rig: Rig, name: str) -> None:
    """Each of Lambda's states by the table; one that nobody documents is UNKNOWN, with the word."""
    entry = rig.begin()
    rig.apply(entry)
    rig.instance().forced = name
    expected = {
        "booting": "creating",
        "active": "loading",
        "unhealthy": "failed",
        "terminating": "stopped",
        # Its key is there: it was stopped, and can be started.
        "terminated": "stopped",
        "preempted": "failed",
        "hibernating": "unknown",
    }[name]
    status = rig.provider().status(entry.ref)
    assert status.state == expected
    assert status.detail
