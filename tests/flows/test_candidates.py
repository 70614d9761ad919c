"""Offers are tried in turn: one alive at most, what failed is gone before the next, and the table says why."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.flows.conftest import SECRETS, Clock, Reporter
from tests.flows.market import BAD, GONE, NO_IMAGE, OUTBID, STUCK, Market, renting
from tests.flows.sky import LOADING, READY, gateway_of

from plexctl.catalog.wishes import Wish
from plexctl.contract import Provider
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
from plexctl.flows.asking import Order, sellers
from plexctl.flows.bringing import Acting, Deployed
from plexctl.flows.candidates import DENIED_S, LeftBehindError
from plexctl.flows.deploy import deploy
from plexctl.flows.observe import observe
from plexctl.flows.preparing import Prepared, prepare
from plexctl.flows.session import Session
from plexctl.model import Level
from plexctl.spec import Limits, Spec
from plexctl.states import State


class Killed(BaseException):
    """The process ended here."""


@dataclass
class Town:
    """Two markets, a clock that only waiting moves, and a session over them."""

    session: Session
    clock: Clock
    reporter: Reporter
    vast: Market
    pods: Market
    questions: list[str] = field(default_factory=list)
    limits: Limits = field(default_factory=Limits)

    def prepare(self, *names: str, price: float | None = None, ignores: bool = False) -> Prepared:
        """Prepare a deploy at these markets, the first when none is named."""
        chosen = names or (self.vast.name,)
        spec = Spec(name="voice", provider=chosen[0], engine="echo", limits=self.limits)
        wish = Wish(providers=chosen, max_price_usd_per_hour=price)
        return prepare(self.session, Order(spec, wish, ignores_denied=ignores))

    def deploy(self, *names: str, price: float | None = None, ignores: bool = False) -> Deployed:
        """Deploy there without a probe."""
        prepared = self.prepare(*names, price=price, ignores=ignores)
        return deploy(self.session, prepared, Acting(SECRETS, self.questions.append, probe=False))

    @property
    def alive(self) -> list[str]:
        """The hosts on which something runs."""
        return [*self.vast.alive.values(), *self.pods.alive.values()]


@dataclass(frozen=True)
class Markets:
    """Both, by name."""

    markets: tuple[Market, ...]

    def names(self) -> list[str]:
        """Return their names."""
        return [one.name for one in self.markets]

    def provider_class(self, name: str) -> type[Provider]:
        """Return one's adapter."""
        found = next((one for one in self.markets if one.name == name), None)
        if found is None:
            raise ConfigurationError(f"unknown provider {name!r}")
        return renting(found)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    """Give a market with three hosts, and one with a dearer fourth."""
    first = Market("bazaar", {"a": 0.30, "b": 0.40, "c": 0.50})
    second = Market("podium", {"d": 0.60})
    clock, reporter = Clock(), Reporter()
    session = Session(
        home=tmp_path / "home",
        environ={},
        reporter=reporter,
        now=clock.now,
        monotonic=clock.monotonic,
        sleep=clock.sleep,
        adapters=Markets((first, second)),
    )
    with gateway_of(first), gateway_of(second):
        yield Town(session, clock, reporter, first, second)


def table(error: PlexError) -> list[tuple[str, str]]:
    """Return host and outcome of each attempt in an error's data."""
    assert isinstance(error.data, dict)
    return [(one["host"], one["outcome"]) for one in error.data["attempts"]]


def tried(deployed: Deployed) -> list[tuple[Any, Any]]:
    """Return host and outcome of each attempt."""
    shown = [one.to_dict() for one in deployed.attempts]
    return [(one["host"], one["outcome"]) for one in shown]


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


def test_what_moved_to_another_provider_is_not_moved_back(town: Town) -> None:
    """The same again is the same deployment, whoever is cheaper today."""
    town.vast.fates = dict.fromkeys("abc", GONE)
    town.deploy("bazaar", "podium")
    town.vast.fates = {}
    assert not town.deploy("bazaar", "podium").changed
    assert town.alive == ["d"]


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
