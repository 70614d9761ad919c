"""A deploy of a name that there is, or was: adopted, finished or left alone, and hosts that failed are left out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.flows.market import BAD, GONE
from tests.flows.town import Town, town_in, tried

from plexctl.errors import (
    NoCapacityError,
    ProviderError,
)
from plexctl.flows.candidates import DENIED_S


class Killed(BaseException):
    """The process ended here."""


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Give a market with three hosts, and one with a dearer fourth."""
    with town_in(tmp_path) as one:
        yield one


@pytest.mark.parametrize("method", ["apply", "status", "destroy"])
def test_a_deploy_that_was_killed_is_finished_by_the_next(town: Town, method: str) -> None:
    """Wherever the process ended: what it left is adopted or removed, and one is alive."""
    town.vast.fates = {"a": BAD}
    if method == "status":
        town.vast.fates = {"a": GONE}
    town.vast.fails[method] = Killed()
    if method != "destroy":
        town.vast.fails["destroy"] = Killed()
    with pytest.raises(Killed):
        town.deploy()
    town.vast.fails.clear()
    town.deploy()
    assert (len(town.alive), town.vast.most_alive) == (1, 1)
    assert town.session.record("voice").ref.label in town.vast.alive
    assert town.alive != ["a"]
    assert town.questions == []


def test_what_was_killed_while_it_came_up_is_adopted(town: Town) -> None:
    """The offer is no longer on sale, for we have it: it is waited for, and nothing is made anew."""
    town.vast.fails |= {"status": Killed(), "destroy": Killed()}
    with pytest.raises(Killed):
        town.deploy()
    town.vast.fails.clear()
    assert not town.deploy().changed
    assert (town.alive, town.vast.made) == (["a"], ["a"])


def test_the_same_again_moves_nothing(town: Town) -> None:
    """What runs is not on sale; that is no reason to take another."""
    town.deploy()
    assert not town.deploy().changed
    assert (town.alive, town.vast.made) == (["a"], ["a"])


def test_what_is_gone_at_its_provider_is_made_anew(town: Town) -> None:
    """On the next host where its own is taken."""
    town.deploy()
    town.vast.alive.clear()
    town.vast.fates = {"a": GONE}
    assert tried(town.deploy()) == [("a", "no_capacity"), ("b", "ready")]
    assert town.alive == ["b"]


def test_a_bad_host_is_left_alone_for_a_day(town: Town) -> None:
    """By other deployments too, and with the reason; afterwards it may serve again."""
    town.vast.fates = {"a": BAD}
    town.deploy()
    destroy_all(town)
    town.vast.fates = {}
    prepared = town.prepare()
    assert [one.offer.detail["host"] for one in prepared.all] == ["b", "c"]
    assert town.prepare(ignores=True).offer.detail["host"] == "a"
    town.clock.passed_s += DENIED_S
    assert town.prepare().offer.detail["host"] == "a"


def test_the_host_that_was_made_use_of_is_the_bad_one(town: Town) -> None:
    """What was adopted without a record runs elsewhere than on the best offer's host."""
    town.vast.alive["plexctl-voice-abc234"] = "b"
    town.vast.fates = {"b": BAD}
    town.deploy()
    with town.session.journal() as journal:
        assert [one.host for one in journal.denied_hosts()] == ["b"]


def test_only_denied_hosts_are_no_capacity_and_say_why(town: Town) -> None:
    """Exit 7; the data has the reason."""
    town.vast.hosts = {"a": 0.3}
    town.vast.fates = {"a": BAD}
    with pytest.raises(NoCapacityError, match=r"none of 1 offer tried .*unsatisfied condition"):
        town.deploy()
    with pytest.raises(NoCapacityError, match=r"is of host a, which failed a start: .*unsatisfied condition"):
        town.prepare()


def test_what_was_ready_is_not_moved_by_another_ones_bad_start(town: Town) -> None:
    """Its host was good to it."""
    from plexctl.journal import DeniedHost

    town.deploy()
    with town.session.journal() as journal:
        journal.deny(DeniedHost("bazaar", "a", "another deployment failed", town.session.now() + 60))
    assert not town.deploy().changed
    assert town.alive == ["a"]


def test_what_moved_to_another_provider_is_not_moved_back(town: Town) -> None:
    """The same again is the same deployment, whoever is cheaper today."""
    town.vast.fates = dict.fromkeys("abc", GONE)
    town.deploy("bazaar", "podium")
    town.vast.fates = {}
    assert not town.deploy("bazaar", "podium").changed
    assert town.alive == ["d"]


def test_what_nobody_recorded_at_another_of_the_asked_is_no_second_one(town: Town) -> None:
    """The journal is lost, and the deployment is at the dearer market: it goes before another is made elsewhere."""
    town.vast.fates = dict.fromkeys("abc", GONE)
    town.deploy("bazaar", "podium")
    for path in town.session.home.glob("journal.db*"):
        path.unlink()
    town.vast.fates = {}
    town.deploy("bazaar", "podium")
    assert (town.alive, town.vast.most_alive + town.pods.most_alive) == (["a"], 2)
    assert town.questions == ["voice runs at podium without a record of what it runs: remove it?"]
    (record,) = town.session.records()
    assert record.ref.label in town.vast.alive


def test_one_that_cannot_be_looked_through_makes_nothing(town: Town) -> None:
    """It answered a moment ago; whether it has the deployment nobody can tell now."""
    town.pods.fails["find"] = ProviderError("503")
    with pytest.raises(ProviderError, match="503"):
        town.deploy("bazaar", "podium")
    assert (town.alive, town.vast.made) == ([], [])


def test_what_runs_is_left_alone_when_its_provider_does_not_answer(town: Town) -> None:
    """The same again during an outage: nobody knows what is there, so that nothing is started, stopped or removed."""
    town.deploy()
    town.vast.calls.clear()
    town.vast.fails |= {"status": ProviderError("503"), "apply": ProviderError("503")}
    with pytest.raises(ProviderError, match="503"):
        town.deploy()
    assert town.alive == ["a"]
    assert {"apply", "stop", "destroy"}.isdisjoint(town.vast.calls)


def destroy_all(town: Town) -> None:
    """Remove the deployment."""
    from plexctl.flows import operate

    operate.destroy(town.session, "voice")
