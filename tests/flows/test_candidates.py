"""Offers are tried in turn: one alive at most, what failed is gone before the next, and the table says why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.flows.market import BAD, GONE, NO_IMAGE, OUTBID, STUCK
from tests.flows.sky import LOADING, READY
from tests.flows.town import Town, town_in, tried

from plexctl.errors import (
    ConfigurationError,
    CredentialsError,
    InterruptedByUser,
    NoCapacityError,
    PlexError,
    PreflightError,
    ProviderError,
    UnhealthyError,
)
from plexctl.flows.asking import sellers
from plexctl.flows.candidates import LeftBehindError
from plexctl.flows.observe import observe
from plexctl.model import Level
from plexctl.spec import Limits
from plexctl.states import State


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Give a market with three hosts, and one with a dearer fourth."""
    with town_in(tmp_path) as one:
        yield one


def table(error: PlexError) -> list[tuple[str, str]]:
    """Return host and outcome of each attempt in an error's data."""
    assert isinstance(error.data, dict)
    return [(one["host"], one["outcome"]) for one in error.data["attempts"]]


def test_no_capacity_then_a_bad_host_then_a_good_one(town: Town) -> None:
    """One is alive at the end, never two, and the table says why; the record is of the one that came up."""
    town.vast.fates = {"a": GONE, "b": BAD}
    deployed = town.deploy()
    assert tried(deployed) == [("a", "no_capacity"), ("b", "bad_host"), ("c", "ready")]
    assert (town.alive, town.vast.made, town.vast.most_alive) == (["c"], ["b", "c"], 1)
    (record,) = town.session.records()
    assert (record.offer.detail["host"], [one.id for one in record.ref.resources]) == ("c", ["id-of-c"])
    assert "unsatisfied condition: cuda>=12.8" in deployed.attempts[1].reason
    assert [one.seconds >= 0 for one in deployed.attempts] == [True] * 3


def test_all_fail(town: Town) -> None:
    """Exit 7 with the table, and nothing alive, recorded or unsaid."""
    town.vast.fates = {"a": BAD, "b": GONE, "c": OUTBID}
    with pytest.raises(NoCapacityError) as caught:
        town.deploy()
    assert table(caught.value) == [("a", "bad_host"), ("b", "no_capacity"), ("c", "lost")]
    assert (town.alive, town.session.records()) == ([], [])
    for words in ("on none of 3 offers tried", "host a", "offer of b is gone", "outbid", "nothing of it is left"):
        assert words in caught.value.message


def test_a_removal_that_fails_ends_it(town: Town) -> None:
    """Exit 8 with what is left and what ends it; nothing else is made, and the record is kept."""
    town.vast.fates = {"a": BAD}
    town.vast.fails["destroy"] = ProviderError("still listed")
    with pytest.raises(LeftBehindError) as caught:
        town.deploy()
    assert (caught.value.exit_code, town.vast.made, town.alive) == (ProviderError.exit_code, ["a"], ["a"])
    assert "still listed" in caught.value.message
    assert "what may be left of it: machine plexctl-voice-" in caught.value.message
    assert "plexctl destroy voice" in str(caught.value.hint)
    assert table(caught.value) == [("a", "bad_host")]
    assert [one.ref.name for one in town.session.records()] == ["voice"]


def test_ctrl_c_in_the_second_attempt(town: Town) -> None:
    """Exit 130; what that attempt made is removed, and no third is begun."""
    town.vast.fates = {"a": GONE, "b": KeyboardInterrupt()}
    with pytest.raises(InterruptedByUser, match="nothing of it is left") as caught:
        town.deploy()
    assert table(caught.value) == [("a", "no_capacity")]
    assert (town.alive, town.vast.made, town.session.records()) == ([], ["b"], [])


def test_ctrl_c_while_an_attempt_is_removed(town: Town) -> None:
    """The removal is done again, and said."""
    town.vast.fates = {"a": BAD}
    interrupts = iter([KeyboardInterrupt()])

    class Once(dict[str, BaseException]):
        def __contains__(self, method: object) -> bool:
            self.pop("destroy", None)
            if method == "destroy" and (found := next(interrupts, None)) is not None:
                self["destroy"] = found
            return super().__contains__(method)

    town.vast.fails = Once()
    with pytest.raises(InterruptedByUser, match="nothing of it is left"):
        town.deploy()
    assert (town.alive, town.session.records()) == ([], [])


def test_a_slow_start_goes_on_with_the_next(town: Town) -> None:
    """When nothing at all has gone on for ten minutes, though half an hour is allowed."""
    town.vast.fates = {"a": STUCK}
    deployed = town.deploy()
    assert tried(deployed) == [("a", "slow_start"), ("b", "ready")]
    assert "voice stood still for 600 s" in deployed.attempts[0].reason
    assert 600 <= deployed.attempts[0].seconds < 602


def test_a_start_that_goes_on_is_waited_for(town: Town) -> None:
    """Twenty minutes with progress are no slow start."""

    def health() -> dict[str, object]:
        done = int(town.clock.passed_s // 60)
        return READY if done >= 20 else LOADING | {"progress": done / 20}

    town.vast.health = health
    assert tried(town.deploy()) == [("a", "ready")]


def test_the_tries_are_counted(town: Town) -> None:
    """Not one more than --max-tries."""
    town.limits = Limits(max_tries=2)
    town.vast.fates = {"a": BAD, "b": BAD}
    with pytest.raises(NoCapacityError, match="none of 2 offers"):
        town.deploy()
    assert town.vast.made == ["a", "b"]


def test_the_deadline_ends_it(town: Town) -> None:
    """Even in the middle of an attempt; the next is not begun."""
    town.limits = Limits(deadline_s=700)
    town.vast.fates = {"a": STUCK, "b": STUCK}
    with pytest.raises(NoCapacityError, match="the deadline is over") as caught:
        town.deploy()
    assert table(caught.value) == [("a", "slow_start"), ("b", "slow_start")]
    assert 700 <= town.clock.passed_s < 702
    assert town.alive == []


@pytest.mark.parametrize(
    ("fate", "kind"),
    [
        (NO_IMAGE, UnhealthyError),
        (PreflightError("spend limit"), PreflightError),
        (CredentialsError("no"), CredentialsError),
        (ProviderError("nobody knows whether it was made"), ProviderError),
    ],
)
def test_what_no_other_offer_mends_ends_it_at_once(town: Town, fate: Any, kind: type[PlexError]) -> None:
    """With its own exit code, after the first; nothing is left."""
    town.vast.fates = {"a": fate}
    with pytest.raises(kind):
        town.deploy()
    assert (town.alive, town.vast.made, town.session.records()) == ([], ["a"], [])


def test_the_gateways_own_word_on_the_licence_ends_it(town: Town) -> None:
    """Exit 5: no host has another licence."""
    from plexctl.errors import LicenceError

    failed: dict[str, object] = {"state": "failed", "phase": "given up", "progress": None, "engines": 1, "busy": 0}
    town.vast.health = lambda: failed | {"reason": "the model is gated", "cause": "licence"}
    with pytest.raises(LicenceError):
        town.deploy()
    assert (town.alive, town.vast.made) == ([], ["a"])


def test_two_providers_are_weighed_and_tried_together(town: Town) -> None:
    """The cheapest first; the record names the one that was taken."""
    town.vast.fates = dict.fromkeys("abc", GONE)
    deployed = town.deploy("podium", "bazaar")
    assert tried(deployed)[-1] == ("d", "ready")
    record = town.session.record("voice")
    assert (record.ref.provider, record.spec.provider, town.alive) == ("podium", "podium", ["d"])
    (view,) = observe(town.session, "voice")
    assert view.status.state is State.READY


@pytest.mark.parametrize("method", ["preflight", "offers"])
def test_one_provider_that_cannot_be_read_is_a_warning(town: Town, method: str) -> None:
    """The others go on."""
    town.vast.fails[method] = ProviderError("503")
    prepared = town.prepare("bazaar", "podium")
    assert prepared.offer.detail["host"] == "d"
    assert [one.level for one in prepared.findings if "503" in one.message] == [Level.WARN]


def test_none_that_can_be_read_is_the_first_error(town: Town) -> None:
    """With its own code."""
    town.vast.fails["preflight"] = ProviderError("503")
    town.pods.fails["preflight"] = ProviderError("504")
    with pytest.raises(ProviderError, match="503"):
        town.prepare("bazaar", "podium")


def test_auto_with_nobody_set_up_names_what_can_be_set(town: Town) -> None:
    """Exit 4."""
    assert sellers(town.session, "auto") == ("bazaar", "podium")
    town.vast.fails["preflight"] = CredentialsError("no key", hint="export BAZAAR_KEY=...")
    town.pods.fails["preflight"] = CredentialsError("no key", hint="export PODIUM_KEY=...")
    with pytest.raises(CredentialsError) as caught:
        town.prepare("bazaar", "podium")
    assert caught.value.hint == "bazaar: export BAZAAR_KEY=...; podium: export PODIUM_KEY=..."


def test_an_unknown_one_among_several_is_named(town: Town) -> None:
    """Exit 3, with the nearest."""
    with pytest.raises(ConfigurationError, match="'bazar'; did you mean 'bazaar'"):
        sellers(town.session, "bazar,podium")


def test_the_highest_price_reaches_the_search(town: Town) -> None:
    """The market narrows, and what it leaves out is not tried."""
    prepared = town.prepare(price=0.4)
    assert [one.offer.price_usd_per_hour for one in prepared.all] == [0.3, 0.4]
    assert town.vast.needs[0].max_price_usd_per_hour == 0.4
    with pytest.raises(NoCapacityError):
        town.prepare(price=0.2)


def test_an_endpoint_that_is_told_late_is_recorded_and_noticed(town: Town) -> None:
    """Within a second and a half of the gateway's readiness, which is after the port's."""
    town.vast.tells_endpoint = lambda: town.clock.passed_s >= 30
    town.vast.health = lambda: READY if town.clock.passed_s >= 50 else LOADING
    town.deploy()
    assert 50 <= town.clock.passed_s <= 51.5
    assert town.session.record("voice").endpoint == town.vast.endpoint
    assert town.vast.calls.count("status") < 30 / 0.8 + 20 / 5 + 12
