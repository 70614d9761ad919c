"""Which offer a deploy takes, what it checks before anything is made, and that the same again changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.flows.conftest import World
from tests.flows.sky import OFFERS

from plexctl.errors import (
    ConfigurationError,
    CredentialsError,
    NoCapacityError,
    PreflightError,
    ProviderError,
    UsageError,
)
from plexctl.model import Finding, Level, Offer
from plexctl.spec import Gateway, Spec

VOICE = {"HF_HUB_OFFLINE": "1"}
"""The licence is not asked for: these tests have no hub."""
PERSONAPLEX = Spec(name="voice", provider="sky", engine="personaplex", env=VOICE)


def test_the_echo_engine_takes_no_gpu(world: World, spec: Spec) -> None:
    """For cents, at the adapter's price, which the record keeps."""
    offer = world.deploy(spec).view.record.offer
    assert (offer.gpu, offer.count, offer.price_usd_per_hour) == (None, 0, 0.03)


def test_a_gpu_is_refused_to_the_engine_without_one(world: World, spec: Spec) -> None:
    """What was asked for by name is not left out silently."""
    with pytest.raises(NoCapacityError, match="no GPU, for cents runs the echo engine without a GPU"):
        world.prepare(spec, gpu="L4")


def test_the_best_live_offer_is_taken(world: World) -> None:
    """As plan judges: the L4 is cheaper and does not keep up, the T4 could never serve."""
    prepared = world.prepare(PERSONAPLEX)
    assert prepared.offer == OFFERS[0]
    assert prepared.offer.detail == {"zone": "east-1"}
    levels = {found.check: found.level for found in prepared.findings}
    assert (levels["gpu-memory"], levels["price"]) == (Level.OK, Level.OK)


def test_a_region_reaches_the_offer(world: World) -> None:
    """With what only the adapter needs to create it there."""
    offer = world.prepare(PERSONAPLEX, region="west").offer
    assert (offer.gpu, offer.region, offer.detail) == ("L40S", "west", {"zone": "west-1"})


def test_a_region_that_nobody_has_is_told_with_the_nearest(world: World) -> None:
    """Exit 2."""
    with pytest.raises(UsageError, match="no region 'eest' of sky; did you mean 'west'"):
        world.prepare(PERSONAPLEX, region="eest")


def test_a_region_without_the_gpu_could_never_work(world: World) -> None:
    """Exit 6, with where it is."""
    with pytest.raises(PreflightError, match="sky L4 is not in west: east"):
        world.prepare(PERSONAPLEX, gpu="L4", region="west")


def test_a_gpu_that_is_too_small_is_refused_before_anything_is_made(world: World) -> None:
    """Exit 6, and no call that changes anything."""
    with pytest.raises(PreflightError, match="T4"):
        world.prepare(PERSONAPLEX, gpu="T4")
    assert world.sky.mutations == []


def test_prices_that_cannot_be_read_are_a_warning(world: World, spec: Spec) -> None:
    """The deploy goes on with the catalog's, and says so."""
    world.sky.fails["offers"] = ProviderError("503")
    prepared = world.prepare(spec)
    assert prepared.offer.price_usd_per_hour is None
    (found,) = [one for one in prepared.findings if one.check == "price-read"]
    assert (found.level, "503" in found.message) == (Level.WARN, True)


def test_a_finding_that_fails_stops_it_with_all_of_them(world: World, spec: Spec) -> None:
    """Exit 6; the others are in the data."""
    world.sky.findings = [Finding("quota", Level.FAIL, "0 of 1 GPUs", "ask for more"), Finding("api", Level.OK, "on")]
    with pytest.raises(PreflightError, match="0 of 1 GPUs") as caught:
        world.deploy(spec)
    assert caught.value.hint == "ask for more"
    assert isinstance(caught.value.data, dict)
    assert len(caught.value.data["findings"]) == 2
    assert world.session.records() == []


def test_what_a_preflight_raises_has_its_own_code(world: World, spec: Spec) -> None:
    """Credentials that are missing are exit 4, however little the price matters then."""
    world.sky.fails |= {"preflight": CredentialsError("no credentials"), "offers": CredentialsError("no credentials")}
    with pytest.raises(CredentialsError):
        world.prepare(spec)


def test_nothing_on_offer_is_no_capacity(world: World) -> None:
    """Exit 7."""
    world.sky.offers = ()
    with pytest.raises(NoCapacityError, match="sky offers nothing"):
        world.prepare(PERSONAPLEX)


def test_the_same_again_changes_nothing(world: World, spec: Spec) -> None:
    """One create, whatever was asked for twice."""
    assert world.deploy(spec).changed
    assert not world.deploy(spec).changed
    assert len(world.sky.mutations) == 1


def test_what_runs_is_not_moved_by_a_price(world: World) -> None:
    """Another GPU that is cheaper today is no reason to replace it; the record keeps the price that it was made at."""
    world.deploy(PERSONAPLEX)
    world.sky.offers = (
        *(replace(one, price_usd_per_hour=9.0) for one in OFFERS),
        Offer("sky", "H100 SXM", 1, "east", 0.2, "x", None),
    )
    again = world.deploy(PERSONAPLEX)
    assert not again.changed
    assert again.view.record.offer.price_usd_per_hour == 2.0


def test_another_gpu_that_is_asked_for_is_an_update(world: World) -> None:
    """In place, and recorded."""
    world.deploy(PERSONAPLEX)
    assert world.deploy(PERSONAPLEX, region="west").view.record.offer.region == "west"
    assert [one.partition(" ")[0] for one in world.sky.mutations] == ["create", "change"]


def test_a_token_is_what_the_adapter_gets(world: World, spec: Spec) -> None:
    """The values of what the plan names, though the spec names none."""
    world.deploy(spec)
    assert world.sky.tokens == ["a-token"]


def test_a_region_is_kept_when_it_comes_again(world: World) -> None:
    """A deploy without the flag leaves it where it is."""
    world.deploy(PERSONAPLEX, region="west")
    changed = replace_prompt(PERSONAPLEX)
    assert world.deploy(changed).view.record.offer.region == "west"


def replace_prompt(spec: Spec) -> Spec:
    """Return the spec with another prompt."""
    from msgspec import structs

    return structs.replace(spec, gateway=Gateway(text_prompt="You are brief."))


def test_an_unknown_provider_is_told(world: World) -> None:
    """Exit 3."""
    with pytest.raises(ConfigurationError):
        world.prepare(Spec(name="voice", provider="skye", engine="echo"))
