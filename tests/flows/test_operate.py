"""Stop, start, scale, serve and destroy of a deployment whose provider keeps and shares things."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from tests.flows.conftest import SECRETS, World

from plexctl.errors import (
    ConflictError,
    CredentialsError,
    InterruptedByUser,
    NoCredentialsError,
    NotFoundError,
    ProviderError,
    UnhealthyError,
    UsageError,
)
from plexctl.flows import operate
from plexctl.flows.bringing import Acting
from plexctl.flows.scaling import prepare_scaling, scale
from plexctl.flows.serving import Audience, serve
from plexctl.flows.undoing import NOTHING_LEFT
from plexctl.model import LogLine
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl.states import State


def values_of(names: Iterable[str]) -> dict[str, Secret]:
    """Return the one secret that plans name."""
    assert list(names) == ["PLEXCTL_TOKEN"]
    return dict(SECRETS)


def test_a_start_supplies_what_the_plan_names(world: World, spec: Spec) -> None:
    """The spec names no secret; the plan does."""
    world.deploy(spec)
    operate.stop(world.session, "voice")
    view, changed = operate.start(world.session, "voice", values_of)
    assert (view.status.state, changed, world.sky.tokens) == (State.READY, True, ["a-token", "a-token"])


def test_a_start_that_fails_is_stopped_again(world: World, spec: Spec) -> None:
    """And says so."""
    world.deploy(spec)
    operate.stop(world.session, "voice")
    world.sky.refuses = b"voice"
    with pytest.raises(UnhealthyError) as caught:
        operate.start(world.session, "voice", values_of)
    assert caught.value.message.endswith("; it is stopped")
    assert world.sky.apps == {}


def test_what_is_kept_is_found_by_a_destroy_of_all(world: World, spec: Spec) -> None:
    """A plain destroy says what remains; `--all` removes that as well."""
    world.deploy(spec)
    assert operate.doomed(world.session, "voice", everything=False)[1] == ["volume shared-weights"]
    assert operate.doomed(world.session, "voice", everything=True)[1] == []
    ended = operate.destroy(world.session, "voice")
    assert [one.name for one in ended.kept] == ["shared-weights"]
    assert world.sky.volumes
    world.deploy(spec)
    ended = operate.destroy(world.session, "voice", everything=True)
    assert (ended.kept, world.sky.volumes) == ((), set())


def test_a_lost_journal_loses_nothing(world: World, spec: Spec) -> None:
    """What is not recorded is found at the provider by its label."""
    world.deploy(spec)
    (world.session.home / "journal.db").unlink()
    ended = operate.destroy(world.session, "voice")
    assert (ended.changed, world.sky.apps) == (True, {})


def test_who_is_not_set_up_has_nothing_and_who_does_not_answer_may_have_it(world: World, spec: Spec) -> None:
    """Without a record, not found is said only when everybody in use was asked: else it is that provider's error."""
    world.deploy(spec)
    (world.session.home / "journal.db").unlink()
    world.sky.fails["find"] = NoCredentialsError("no token")
    with pytest.raises(NotFoundError) as missing:
        operate.destroy(world.session, "voice")
    assert missing.value.message == "no deployment named 'voice'; not set up here, so not asked: sky"
    for failure in (ProviderError("503"), CredentialsError("this token is refused")):
        world.sky.fails["find"] = failure
        with pytest.raises(type(failure)) as caught:
            operate.destroy(world.session, "voice")
        assert caught.value.message.startswith("no deployment named 'voice' here, and sky could not be asked: ")
    assert "sky could not be asked: 503" in world.reporter.told
    world.sky.fails.clear()
    assert operate.destroy(world.session, "voice").changed


def test_a_destroy_of_all_names_others_of_that_name(world: World, spec: Spec) -> None:
    """What no record knows is not touched, and said; the next destroy finds it."""
    world.deploy(spec)
    other = "plexctl-voice-zzz999"
    world.sky.apps[other] = next(iter(world.sky.apps.values()))
    assert operate.destroy(world.session, "voice", everything=True).others == (f"{other} on sky",)
    assert set(world.sky.apps) == {other}
    operate.destroy(world.session, "voice")
    assert world.sky.apps == {}


def test_scaling_changes_two_numbers_and_wakes_nobody(world: World, spec: Spec) -> None:
    """One change at the provider; the gateway is not asked; the record has the numbers."""
    world.deploy(spec)
    asked = world.sky.asked
    scaling = prepare_scaling(world.session, "voice", 1, 3)
    assert scaling.bills == "1 kept up all day at 0.03 USD per hour each, whether anybody talks or not"
    assert scale(world.session, scaling, values_of)
    record = world.session.record("voice")
    assert (record.spec.modal.min_containers, record.spec.modal.max_containers) == (1, 3)
    assert (world.sky.asked, len(world.sky.mutations)) == (asked, 2)
    assert not scale(world.session, prepare_scaling(world.session, "voice", 1, None), values_of)


def test_scaling_that_fails_is_taken_back(world: World, spec: Spec) -> None:
    """The record has the former numbers, and the error says whether the provider has."""
    world.deploy(spec)
    scaling = prepare_scaling(world.session, "voice", None, 3)
    world.sky.fails["apply"] = ProviderError("500")
    with pytest.raises(ProviderError, match="500") as caught:
        scale(world.session, scaling, values_of)
    assert "run `plexctl scale voice` again" in caught.value.message
    assert world.session.record("voice").spec.modal.max_containers == 1


def test_a_stopped_deployment_scales_from_the_next_start_on(world: World, spec: Spec) -> None:
    """Nothing is started by it."""
    world.deploy(spec)
    operate.stop(world.session, "voice")
    scaling = prepare_scaling(world.session, "voice", 1, 2)
    assert scaling.is_stopped
    assert scale(world.session, scaling, values_of)
    assert world.sky.apps == {}


@pytest.mark.parametrize(
    ("least", "most", "words"),
    [(2, 1, "--min 2 is above --max 1"), (None, 5000, "--max 5000 is not valid"), (2, None, "--min 2 is above")],
)
def test_numbers_that_cannot_be_are_refused(
    world: World, spec: Spec, least: int | None, most: int | None, words: str
) -> None:
    """Exit 2, and nothing recorded."""
    world.deploy(spec)
    with pytest.raises(UsageError, match=words):
        prepare_scaling(world.session, "voice", least, most)
    assert world.session.record("voice").spec == spec


class Interrupting:
    """Somebody who reads what is told, and presses Ctrl-C at the first line of the log."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def up(self, view: object, heard: object) -> None:
        """Note that it is up."""
        del view, heard
        self.told.append("up")

    def line(self, line: LogLine) -> None:
        """Note the line and interrupt."""
        self.told.append(line.text)
        raise KeyboardInterrupt


def acting(world: World) -> Acting:
    """Act without a probe."""
    return Acting(SECRETS, world.questions.append, probe=False)


def test_what_is_served_ends_with_ctrl_c(world: World, spec: Spec) -> None:
    """It is up, its log is told, and afterwards neither record nor app is left."""
    reader = Interrupting()
    left = serve(world.session, world.prepare(spec), acting(world), Audience(reader.up, reader.line))
    assert reader.told == ["up", "a line of its log"]
    assert (left, world.sky.apps, world.session.records()) == ("removed, and kept: volume shared-weights", {}, [])
    assert left != NOTHING_LEFT


def test_what_is_served_and_ends_by_itself_is_a_failure(world: World, spec: Spec) -> None:
    """The log ends without Ctrl-C: exit 9, and nothing left."""
    with pytest.raises(UnhealthyError, match="voice ended by itself"):
        serve(world.session, world.prepare(spec), acting(world), Audience(lambda *_: None, lambda _: None))
    assert (world.sky.apps, world.session.records()) == ({}, [])


def test_ctrl_c_before_it_is_up_is_an_interruption(world: World, spec: Spec) -> None:
    """Exit 130, and nothing left."""

    def health() -> None:
        world.sky.lines = ()
        world.sky.fails["status"] = KeyboardInterrupt()

    world.sky.health = health
    with pytest.raises(InterruptedByUser, match="interrupted; removed, and kept: volume shared-weights"):
        serve(world.session, world.prepare(spec), acting(world), Audience(lambda *_: None, lambda _: None))
    assert (world.sky.apps, world.session.records()) == ({}, [])


def test_a_name_that_is_taken_is_not_served_over(world: World, spec: Spec) -> None:
    """Exit 11, and what runs is left alone."""
    world.deploy(spec)
    with pytest.raises(ConflictError):
        serve(world.session, world.prepare(spec), acting(world), Audience(lambda *_: None, lambda _: None))
    assert len(world.sky.apps) == 1
