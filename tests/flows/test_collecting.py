"""`gc`: what exists and what is recorded held against each other; what is wrong is ended, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.flows.conftest import BEGIN, World
from tests.flows.market import OUTBID, Market
from tests.flows.town import Town, town_in

from plexctl.errors import NoCredentialsError, PlexError, ProviderError
from plexctl.flows import operate
from plexctl.flows.collecting import ENDS, Collected, collect
from plexctl.flows.drift import Difference, Kind, Seen, judge
from plexctl.flows.session import Session
from plexctl.flows.surveying import Scope, Survey, survey
from plexctl.journal import Wanted
from plexctl.locks import mutation_lock
from plexctl.model import CREATED_AT, EXPIRES_AT, Ref, Resource, Status
from plexctl.spec import Limits, Spec
from plexctl.states import State

OLD, LONG_S = "plexctl-voice-zzz999", 7200.0


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Give two markets, of which nothing is rented."""
    with town_in(tmp_path) as one:
        yield one


def kinds(found: Survey) -> list[tuple[str, str]]:
    """Return what each difference is called, and of what."""
    return [(one.kind, one.seen.ref.name) for one in found.differences]


def sweep(session: Session, scope: Scope | None = None) -> Collected:
    """End what a survey finds, as `--delete` does."""
    found = survey(session, scope or Scope())
    return collect(session, [one for one in found.differences if one.kind in ENDS])


def rented(market: Market, label: str, **detail: str) -> None:
    """Let something be there that nobody recorded, and the provider tell this of it."""
    market.alive[label] = "a"
    market.details[label] = detail


def told(seconds: float) -> str:
    """Return a moment as adapters tell it."""
    return f"{BEGIN + seconds:.0f}"


def test_what_is_as_recorded_is_no_difference(world: World, spec: Spec) -> None:
    """A deployment that is up, and nothing at all."""
    assert survey(world.session, Scope()).differences == []
    assert not world.session.home.exists()
    world.deploy(spec)
    assert survey(world.session, Scope()).differences == []


def test_a_destroy_that_failed_is_found_and_ended(world: World, spec: Spec) -> None:
    """Exit 8 and still there; gc names it, a second gc ends it, and afterwards neither app nor record is left."""
    world.deploy(spec)
    world.sky.fails["destroy"] = ProviderError("500")
    with pytest.raises(ProviderError):
        operate.destroy(world.session, "voice")
    (found,) = survey(world.session, Scope()).differences
    assert (found.kind, found.why, found.price) == (Kind.ORPHAN, "its destroy was not finished", 0.03)
    (failed,) = sweep(world.session).failed
    assert (failed[1].exit_code, set(world.sky.apps)) == (8, {found.seen.ref.label})
    world.sky.fails.clear()
    assert [one.seen.ref.id for one in sweep(world.session).deleted] == [found.seen.ref.id]
    assert (world.sky.apps, world.session.records()) == ({}, [])
    assert survey(world.session, Scope()).differences == []


def test_a_create_that_was_not_finished_is_an_orphan(town: Town) -> None:
    """A process killed in a deploy leaves a record that was never ready: no age guard, since it is this machine's."""
    town.vast.fails["status"] = KeyboardInterrupt()
    town.vast.fails["destroy"] = ProviderError("500")
    with pytest.raises(PlexError):
        town.deploy()
    town.vast.fails.clear()
    assert kinds(survey(town.session, Scope())) == [(Kind.ORPHAN, "voice")]
    sweep(town.session)
    assert (town.alive, town.session.records()) == ([], [])


def test_an_orphan_is_ended_without_any_local_state(town: Town) -> None:
    """Old enough: on a machine that knows nothing, everywhere at once."""
    rented(town.vast, OLD, **{CREATED_AT: told(-LONG_S)})
    rented(town.pods, "plexctl-other-yyy888", **{CREATED_AT: told(-LONG_S)})
    assert kinds(survey(town.session, Scope())) == [(Kind.ORPHAN, "voice"), (Kind.ORPHAN, "other")]
    assert not town.session.home.exists()
    assert len(sweep(town.session).deleted) == 2
    assert town.alive == []


@pytest.mark.parametrize("made_at", [told(-3599), told(60), None, "yesterday"])
def test_what_may_be_somebody_elses_work_is_left(town: Town, made_at: str | None) -> None:
    """Under an hour, or of no age that is told: shown as young, and only ended when that is said."""
    rented(town.vast, OLD, **({CREATED_AT: made_at} if made_at else {}))
    assert kinds(survey(town.session, Scope())) == [(Kind.YOUNG, "voice")]
    assert sweep(town.session).deleted == []
    assert town.alive == ["a"]
    assert len(sweep(town.session, Scope(takes_young=True)).deleted) == 1
    assert town.alive == []


def test_the_youngest_part_tells_the_age() -> None:
    """A deployment that is being made again has old parts and new ones."""
    parts = tuple(Resource("pod", OLD, str(n), {CREATED_AT: told(-n * 1800.0)}) for n in (1, 9))
    found = judge(Seen(Ref("bazaar", "voice", "zzz999", parts), Status(State.READY)), BEGIN)
    assert found is not None
    assert (found.kind, found.why) == (
        Kind.YOUNG,
        "not recorded here; 30 minutes old: another machine may be deploying it",
    )


def test_what_outlived_its_time_is_expired(world: World, spec: Spec) -> None:
    """By its record; before that moment it is nobody's business."""
    world.deploy(spec_with_ttl(spec))
    assert survey(world.session, Scope()).differences == []
    world.clock.passed_s += 901
    (found,) = survey(world.session, Scope(only_expired=True)).differences
    assert (found.kind, found.to_dict()["expires_at"]) == (Kind.EXPIRED, "2026-11-21T00:15:00Z")
    assert len(sweep(world.session, Scope(only_expired=True)).deleted) == 1
    assert (world.sky.apps, world.session.records()) == ({}, [])


def spec_with_ttl(spec: Spec) -> Spec:
    """Return it with a lifetime of a quarter of an hour."""
    return Spec(name=spec.name, provider=spec.provider, engine=spec.engine, limits=Limits(ttl_s=900))


def test_what_outlived_its_time_is_told_without_a_record(town: Town) -> None:
    """By what the provider tells of its environment; `--expired` leaves every other orphan alone."""
    rented(town.vast, OLD, **{CREATED_AT: told(-60), EXPIRES_AT: told(-1)})
    rented(town.pods, "plexctl-other-yyy888", **{CREATED_AT: told(-LONG_S)})
    only = Scope(only_expired=True)
    assert kinds(survey(town.session, only)) == [(Kind.EXPIRED, "voice")]
    sweep(town.session, only)
    assert (town.vast.alive, len(town.pods.alive)) == ({}, 1)


def test_a_ghost_loses_its_record(world: World, spec: Spec) -> None:
    """Recorded here, gone there: it costs nothing, and its name is free again."""
    world.deploy(spec)
    world.sky.apps.clear()
    (found,) = survey(world.session, Scope()).differences
    assert (found.kind, found.price) == (Kind.GHOST, 0.0)
    sweep(world.session)
    assert world.session.records() == []
    assert survey(world.session, Scope()).differences == []


def test_what_a_destroy_removed_and_is_there_again(world: World, spec: Spec) -> None:
    """Recorded as gone and listed: an orphan of this machine, whatever its age."""
    world.deploy(spec)
    label, body = next(iter(world.sky.apps.items()))
    operate.destroy(world.session, "voice")
    world.sky.apps[label] = body
    (found,) = survey(world.session, Scope()).differences
    assert (found.kind, found.why) == (Kind.ORPHAN, "recorded here as gone, and there")
    sweep(world.session)
    assert world.sky.apps == {}


def test_what_was_stopped_on_purpose_is_no_wrong(town: Town) -> None:
    """It bills, and is said to; what ended by itself and bills is wrong; neither is ended by gc."""
    town.deploy()
    town.vast.fates["a"] = OUTBID
    (found,) = survey(town.session, Scope()).differences
    assert (found.kind, found.is_wrong, found.price) == (Kind.STOPPED, True, None)
    with town.session.journal() as journal:
        journal.entry(found.seen.ref.id).want(Wanted.STOPPED)
    (found,) = survey(town.session, Scope()).differences
    assert (found.kind, found.is_wrong) == (Kind.STOPPED, False)
    assert found.to_dict()["still_bills"]
    assert sweep(town.session).deleted == []
    assert town.alive == ["a"]


def test_what_is_being_changed_is_left_alone(town: Town) -> None:
    """Its lock is held: nothing is said of it, and a delete that meets it later leaves it."""
    rented(town.vast, OLD, **{CREATED_AT: told(-LONG_S)})
    differences = survey(town.session, Scope()).differences
    with mutation_lock(town.session.home, "voice"):
        found = survey(town.session, Scope())
        assert (found.differences, [one.label for one in found.busy]) == ([], [OLD])
        assert [one.seen.ref.label for one, _ in collect(town.session, differences).left] == [OLD]
    assert town.alive == ["a"]


def test_what_was_changed_since_it_was_seen_is_left_alone(world: World, spec: Spec) -> None:
    """Between the look and the lock somebody made it good: nothing is ended by an old word."""
    world.deploy(spec)
    record = world.session.record("voice")
    seen = Seen(record.ref, Status(State.LOADING), replace(record, ready_at=None))
    done = collect(world.session, [Difference(Kind.ORPHAN, seen, "its create was not finished")])
    assert (done.deleted, len(done.left), len(world.sky.apps)) == ([], 1, 1)
    stranger = Seen(record.ref, Status(State.LOADING))
    assert len(collect(world.session, [Difference(Kind.ORPHAN, stranger, "not recorded here")]).left) == 1
    assert len(world.sky.apps) == 1


def test_one_failure_keeps_none_of_the_others(town: Town) -> None:
    """Two markets, one of which ends nothing: the other's orphan is gone."""
    rented(town.vast, OLD, **{CREATED_AT: told(-LONG_S)})
    rented(town.pods, "plexctl-other-yyy888", **{CREATED_AT: told(-LONG_S)})
    town.vast.fails["destroy"] = ProviderError("500")
    done = sweep(town.session)
    assert [one.seen.ref.name for one in done.deleted] == ["other"]
    assert [(one.seen.ref.name, error.message) for one, error in done.failed] == [
        ("voice", f"{OLD} on bazaar: 500"),
    ]


def test_who_does_not_answer(town: Town) -> None:
    """Nobody knows anything here: all must answer. Once one was used, only that one, or all when that is asked for."""
    town.pods.fails["find"] = ProviderError("503")
    assert survey(town.session, Scope()).failed == {"podium": "503"}
    town.deploy()
    found = survey(town.session, Scope())
    assert (found.failed, found.unheard, found.asked) == ({}, {"podium": "503"}, ["bazaar"])
    assert survey(town.session, Scope(must_all_answer=True)).failed == {"podium": "503"}
    town.pods.fails["find"] = NoCredentialsError("no key")
    found = survey(town.session, Scope(must_all_answer=True))
    assert (found.failed, found.not_set_up) == ({}, ["podium"])


def test_a_provider_that_is_recorded_and_no_longer_set_up(town: Town) -> None:
    """What is recorded there may bill: that nobody can look is a failure, not nothing."""
    town.deploy()
    town.vast.fails["find"] = NoCredentialsError("no key")
    found = survey(town.session, Scope())
    assert found.failed == {"bazaar": "not set up here, and recorded there: voice"}
    assert found.differences == []


def test_a_state_that_cannot_be_asked_for_is_no_ghost(town: Town) -> None:
    """The list answers and the look fails: nothing is taken for gone."""
    town.deploy()
    town.vast.fails["status"] = ProviderError("500")
    found = survey(town.session, Scope())
    assert found.differences == []
    assert list(found.failed) == ["bazaar"]
    assert "could not be looked at: 500" in found.failed["bazaar"]


def test_a_second_one_of_a_name_is_told_from_the_recorded_one(town: Town) -> None:
    """Same name, other id: only that one is ended, and the record stays."""
    town.deploy()
    rented(town.vast, OLD, **{CREATED_AT: told(-LONG_S)})
    sweep(town.session)
    assert list(town.vast.alive) == [town.session.record("voice").ref.label]


def test_what_an_attempt_left_at_another_provider(town: Town) -> None:
    """Recorded at one market and alive at another as well: there it is an orphan, and here it is not touched."""
    town.deploy()
    label = town.session.record("voice").ref.label
    rented(town.pods, label)
    assert [(one.kind, one.seen.ref.provider) for one in survey(town.session, Scope()).differences] == [
        (Kind.ORPHAN, "podium")
    ]
    sweep(town.session)
    assert (list(town.vast.alive), town.pods.alive) == ([label], {})
    assert town.session.record("voice").ref.provider == "bazaar"


def test_a_name_that_no_deployment_can_have_is_not_plexctls(town: Town) -> None:
    """It is neither shown nor ended, and no lock is made of it."""
    rented(town.vast, "plexctl-../../x-zzz999", **{CREATED_AT: told(-LONG_S)})
    assert survey(town.session, Scope(takes_young=True)).differences == []


def test_what_a_destroy_keeps_is_no_orphan_and_an_orphans_goes_too(town: Town) -> None:
    """An image that a destroy kept is said, not wrong; nobody here deploys an orphan again, so its image goes."""
    town.deploy()
    label = town.session.record("voice").ref.label
    operate.destroy(town.session, "voice")
    town.vast.left.add(label)
    (found,) = survey(town.session, Scope()).differences
    assert (found.kind, found.is_wrong) == (Kind.KEPT, False)
    rented(town.vast, OLD, **{CREATED_AT: told(-LONG_S)})
    town.vast.keeps = True
    (one,) = sweep(town.session).deleted
    assert (one.seen.ref.label, town.vast.left) == (OLD, {label})
