"""Renting: what is sent, and that whatever gets lost on the way there is one instance, or none, and never two."""

from __future__ import annotations

import pytest
from msgspec import structs
from tests.clouds.vast.faults import BROKEN, GONE_410, LATE, PAGE, SPEND, TOO_SOON, TOO_SOON_WITH_A_TIME, Answer
from tests.clouds.vast.world import CUDA, IMAGE, SECRETS, VastWorld
from tests.contract.steps import begin, bring_up, plan_of

from plexctl.contract import Provider
from plexctl.errors import CredentialsError, NoCapacityError, PlexError, PreflightError, ProviderError
from plexctl.journal import Journal
from plexctl.model import Need, Offer, Ref
from plexctl.secret import Secret
from plexctl.spec import Image, Limits, Spec, Vast
from plexctl.states import State
from plexctl_providers._common.placeholders import fill
from plexctl_providers.vast.requests import build_plan

BID = Spec(name="voice", engine="personaplex", image=Image(name=IMAGE), vast=Vast(bid_usd_per_hour=0.2))


def _offers(provider: Provider) -> list[Offer]:
    return sorted(provider.offers(Need()), key=lambda one: one.price_usd_per_hour or 0.0)


def test_the_plans_own_body_is_sent(world: VastWorld, journal: Journal) -> None:
    """What is rendered is what is rented: the vendor's client adds nothing, and Vast finds nothing wrong with it."""
    entry = begin(world, journal)
    bring_up(world, entry)
    plan = plan_of(world, world.provider())
    (sent,) = [one for one in world.cloud.requests if one.operation == "create"]
    wanted = fill(plan.resources[0].body["json"], {"PLEXCTL_ID": entry.ref.id, **SECRETS})
    assert sent.body == wanted
    assert sent.path == "/api/v0/asks/7001/"
    assert sent.body["cancel_unavail"] is True
    assert sent.body["runtype"] == "args"
    assert world.cloud.misfits == []


def test_the_offers_own_host_is_rented_and_recorded(world: VastWorld, journal: Journal) -> None:
    """The cheapest of three is taken by its ask, and its machine is in the journal for a deny-list."""
    ref = bring_up(world, begin(world, journal)).ref
    (made,) = world.cloud.instances.values()
    assert made.ask.id == 7001
    assert ref.resources[0].detail["host"] == "501"


def test_an_offer_from_a_price_list_is_searched_for(world: VastWorld, journal: Journal) -> None:
    """Without an ask of its own the cheapest that passes the filters is rented."""
    spec, offer = world.spec("voice"), Offer("vast", "RTX 4090", 1, None, 0.6, "a price list", "2026-11-20")
    entry = journal.begin(Ref("vast", "voice", "abc234"), spec, offer)
    world.provider().apply(build_plan(spec, offer), entry)
    assert [one.ask.id for one in world.cloud.instances.values()] == [7001]


def test_an_offer_that_fails_the_specs_filters_is_not_rented(world: VastWorld, journal: Journal) -> None:
    """An ask that was offered to somebody with fewer wishes is searched again with the spec's own."""
    spec = structs.replace(world.spec("voice"), vast=Vast(min_reliability=0.999))
    offer = Offer("vast", "RTX 4090", 1, None, 0.6, "Vast's own search", None, {"ask_id": "7001", "host": "501"})
    entry = journal.begin(Ref("vast", "voice", "abc234"), spec, offer)
    with pytest.raises(NoCapacityError, match="offer 7001 at Vast is gone, or does not pass the filters"):
        world.provider().apply(build_plan(spec, offer), entry)
    assert world.exists() == []
    assert entry.ref.resources == ()


@pytest.mark.parametrize("answer", [LATE, BROKEN, None, Answer(408, b""), PAGE])
def test_a_create_whose_answer_is_lost_is_adopted(world: VastWorld, journal: Journal, answer: Answer | None) -> None:
    """504, 500, a cut connection or a page instead of JSON after it took effect: the same apply finds the instance."""
    world.cloud.fail("create", answer, after=True)
    entry = begin(world, journal)
    done = bring_up(world, entry)
    (made,) = world.cloud.instances.values()
    assert [one.id for one in done.ref.resources] == [str(made.id)]
    assert done.endpoint is not None
    assert sum(one.operation == "create" for one in world.cloud.requests) == 1


@pytest.mark.parametrize("answer", [LATE, BROKEN, None])
def test_a_create_that_nobody_saw_is_asked_once(world: VastWorld, journal: Journal, answer: Answer | None) -> None:
    """The vendor's client would ask three times; here it is looked for, not found, and left to the next apply."""
    world.cloud.fail("create", answer)
    entry = begin(world, journal)
    with pytest.raises(ProviderError) as caught:
        bring_up(world, entry)
    assert "looks for it by its label" in (caught.value.hint or "")
    assert sum(one.operation == "create" for one in world.cloud.requests) == 1
    assert [one.id for one in entry.ref.resources] == [None]
    bring_up(world, entry)
    assert world.exists() == [("instance", entry.ref.label)]


def test_a_key_that_is_refused_half_way_forgets_nothing(world: VastWorld, journal: Journal) -> None:
    """The answer to a create is lost and the key is refused from then on: the intent stays, and so does the label."""
    world.cloud.fail("create", LATE, after=True)
    world.cloud.fail("list", Answer.of(200, {"instances": []}))
    world.cloud.fail("list", Answer.refusal(401, "auth_error", "Invalid user key"), times=9)
    entry = begin(world, journal)
    with pytest.raises(CredentialsError):
        bring_up(world, entry)
    assert [(one.name, one.id) for one in entry.ref.resources] == [(entry.ref.label, None)]
    world.cloud.faults.clear()
    assert len(world.provider().destroy(entry.ref).removed) == 1
    assert world.cloud.bills() == {}


def test_a_refused_bids_instance_that_cannot_be_ended_is_recorded(world: VastWorld, journal: Journal) -> None:
    """Made all the same, and its destroy is refused: the journal has its id, and the next destroy ends it."""
    provider = world.adapter()
    provider.preflight(BID)
    offer = _offers(provider)[0]
    entry = journal.begin(Ref("vast", "voice", "abc234"), BID, offer)
    world.cloud.rising_bids = True
    world.cloud.fail("destroy", Answer.refusal(401, "auth_error", "Invalid user key"), times=9)
    with pytest.raises(ProviderError, match="instance 9000 is still there"):
        provider.apply(provider.plan(BID, offer), entry)
    assert [one.id for one in entry.ref.resources] == ["9000"]
    world.cloud.faults.clear()
    provider.destroy(entry.ref)
    assert world.cloud.bills() == {}


def test_an_instance_that_appears_late_is_found(world: VastWorld, journal: Journal) -> None:
    """The answer is lost and the list is down for a while: the look-up goes on until it answers."""
    world.cloud.fail("create", LATE, after=True)
    entry = begin(world, journal)
    world.cloud.fail("list", BROKEN, times=2)
    bring_up(world, entry)
    assert [str(number) for number in world.cloud.instances] == [entry.ref.resources[0].id]


@pytest.mark.parametrize("answer", [TOO_SOON, TOO_SOON_WITH_A_TIME])
def test_a_create_that_came_too_soon_waits_and_looks_first(world: VastWorld, journal: Journal, answer: Answer) -> None:
    """In plain text or with Retry-After: waited for, the label looked up again, then asked once more."""
    world.cloud.fail("create", answer)
    before = world.cloud.clock.now()
    bring_up(world, begin(world, journal))
    waited = world.cloud.clock.now() - before
    operations = [one.operation for one in world.cloud.requests]
    first = operations.index("create")
    assert operations[first : first + 3] == ["create", "list", "create"]
    assert waited >= (7.0 if "Retry-After" in answer.headers else 12.0)
    assert len(world.cloud.instances) == 1


def test_a_bid_that_is_too_low_leaves_nothing(world: VastWorld, journal: Journal) -> None:
    """Vast refuses it and makes a stopped instance all the same: destroyed, read back, not in the journal."""
    provider = world.adapter()
    provider.preflight(BID)
    offer = _offers(provider)[0]
    assert offer.detail["bid"] == "0.12"
    entry = journal.begin(Ref("vast", "voice", "abc234"), BID, offer)
    world.cloud.rising_bids = True
    with pytest.raises(PreflightError, match=r"instance 9000, which it made all the same, was destroyed"):
        provider.apply(provider.plan(BID, offer), entry)
    assert world.cloud.mutations == ["create instance plexctl-voice-abc234", "destroy instance plexctl-voice-abc234"]
    assert world.exists() == []
    assert entry.ref.resources == ()


def test_a_bid_that_holds_is_paid_as_bid(world: VastWorld, journal: Journal) -> None:
    """Interruptible is asked for with its price: without one Vast silently rents on demand."""
    provider = world.adapter()
    provider.preflight(BID)
    offer = _offers(provider)[0]
    entry = journal.begin(Ref("vast", "voice", "abc234"), BID, offer)
    provider.apply(provider.plan(BID, offer), entry)
    assert [one["gpu"] for one in world.cloud.bills().values()] == [0.2]


@pytest.mark.parametrize(("answer", "kind"), [(GONE_410, NoCapacityError), (SPEND, PreflightError)])
def test_a_refusal_leaves_no_entry(world: VastWorld, journal: Journal, answer: Answer, kind: type[PlexError]) -> None:
    """What surely was not made is not recorded: the next offer starts afresh."""
    world.cloud.fail("create", answer)
    entry = begin(world, journal)
    with pytest.raises(kind):
        bring_up(world, entry)
    assert entry.ref.resources == ()
    assert world.exists() == []


def test_a_second_instance_of_the_label_is_removed(world: VastWorld, journal: Journal) -> None:
    """Whoever made it: one of the label is kept, the one that is recorded."""
    entry = begin(world, journal)
    kept = bring_up(world, entry).ref.resources[0].id
    double = world.cloud._make(world.cloud.asks[1], next(iter(world.cloud.instances.values())).body)
    world.cloud._run(double)
    assert len(world.provider().find("voice")[0].resources) == 2
    assert not bring_up(world, entry).changed
    assert [str(number) for number in world.cloud.instances] == [kept]


def test_the_end_is_an_hour_from_now(world: VastWorld, journal: Journal) -> None:
    """The expiry is filled in when it is rented, by the context's clock."""
    spec = structs.replace(world.spec("voice"), limits=Limits(ttl_s=3600))
    offer = _offers(world.adapter())[0]
    entry = journal.begin(Ref("vast", "voice", "abc234"), spec, offer)
    world.provider().apply(build_plan(spec, offer), entry)
    (made,) = world.cloud.instances.values()
    assert abs(float(made.body["env"]["PLEXCTL_EXPIRES_AT"]) - world.cloud.clock.wall() - 3600) < 60


def test_a_secret_beyond_the_limit_is_not_sent(world: VastWorld, journal: Journal) -> None:
    """Its name is told, its value never; nothing is asked of Vast but the search before."""
    entry = begin(world, journal)
    with pytest.raises(PreflightError, match="PLEXCTL_TOKEN has 314 characters") as caught:
        bring_up(world, entry, secrets={"PLEXCTL_TOKEN": Secret("s3cr3t" * 50)})
    assert "s3cr3t" not in repr(caught.value)
    assert world.mutations() == []


def test_three_candidates_end_with_one(world: VastWorld, journal: Journal) -> None:
    """Taken by somebody, a host with an old driver, a good one: each failure is told so that the next can be tried."""
    world.cloud.bad_machines = {502: CUDA}
    offers = _offers(world.provider())
    world.cloud.fail("create", GONE_410)
    entry, ended = begin(world, journal), []
    for offer in offers:
        try:
            world.provider().apply(world.provider().plan(world.spec("voice"), offer), entry)
        except NoCapacityError as error:
            ended.append(error.message)
            continue
        status = world.provider().status(entry.ref)
        ended.append(status.detail)
        if status.state is State.FAILED:
            world.provider().destroy(entry.ref)
    assert [one.ask.machine_id for one in world.cloud.instances.values()] == [503]
    assert "no longer available" in ended[0]
    assert "cuda>=12.8" in ended[1]
    assert ended[2] == "running"
    assert entry.ref.resources[0].detail["host"] == "503"
