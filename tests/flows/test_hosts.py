"""Hosts of the user's own, several of them: which is taken, what moves on to the next, and what ends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

import pytest
from msgspec import structs
from tests.flows.conftest import SECRETS, World
from tests.flows.ground import Ground, GroundProvider
from tests.flows.sky import LOADING, READY, gateway_of

from plexctl.catalog.wishes import Wish, gpus_of
from plexctl.contract import Capabilities, DeploymentJournal, Provider
from plexctl.errors import (
    ConflictError,
    CredentialsError,
    NoCapacityError,
    PlexError,
    PreflightError,
    ProviderError,
    UsageError,
)
from plexctl.flows.bringing import Acting, Deployed
from plexctl.flows.deploy import deploy
from plexctl.flows.licence import with_engine
from plexctl.flows.preparing import Order, Prepared, prepare
from plexctl.model import Deployment, Offer, Plan
from plexctl.spec import Limits, Spec, Ssh

SSH = "ssh"


def host(name: str, gpu: str | None = None) -> Offer:
    """Return a host as its adapter offers it."""
    return Offer(SSH, gpu, 1 if gpu else 0, name, 0.0, "the host itself", None, {"host": name})


@dataclass
class Rack(Ground):
    """Hosts, and what is wrong with some of them."""

    wrong: dict[str, PlexError] = field(default_factory=dict)
    """Host to what an `apply` there raises."""
    is_quick: bool = False
    """It fails before anything was journaled."""


class RackProvider(GroundProvider):
    """The adapter for hosts: everything is done at once, as they are there."""

    sky: ClassVar[Rack]
    name: ClassVar[str] = SSH
    capabilities: ClassVar[Capabilities] = Capabilities(follows_logs=True, runs_without_gpu=True)

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay it out for the host."""
        return replace(super().plan(spec, offer), provider=SSH)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Put it on the host, unless something is wrong there."""
        there = plan.offer.detail["host"]
        if self.sky.is_quick and there in self.sky.wrong:
            raise self.sky.wrong[there]
        deployment = super().apply(plan, journal)
        self.sky.stages = []
        if there in self.sky.wrong:
            raise self.sky.wrong[there]
        return deployment


@dataclass(frozen=True)
class Racks:
    """The rack alone."""

    rack: Rack

    def names(self) -> list[str]:
        """Return its name."""
        return [SSH]

    def provider_class(self, name: str) -> type[Provider]:
        """Return its adapter."""
        assert name == SSH
        return type("RackProvider", (RackProvider,), {"sky": self.rack})


@dataclass
class Hosts(World):
    """A world of hosts."""

    @property
    def rack(self) -> Rack:
        """The hosts' side."""
        assert isinstance(self.sky, Rack)
        return self.sky

    def ready(self, spec: Spec, gpu: str | None = None) -> Prepared:
        """Prepare a deploy there."""
        wish = Wish(providers=(SSH,), gpu_words=gpu, gpus=gpus_of(gpu))
        return prepare(self.session, Order(spec, wish))

    def bring(self, spec: Spec) -> Deployed:
        """Deploy there without a probe."""
        return deploy(self.session, self.ready(spec), Acting(SECRETS, self.questions.append, probe=False))


@pytest.fixture
def hosts(world: World) -> Iterator[Hosts]:
    """Give two hosts without a GPU."""
    rack = Rack(offers=(host("a"), host("b")))
    session = replace(world.session, adapters=Racks(rack))
    with gateway_of(rack):
        yield Hosts(session, rack, world.clock, world.reporter)


@pytest.fixture
def spec() -> Spec:
    """Ask for the engine without weights, on either."""
    return Spec(name="voice", provider=SSH, engine="echo", ssh=Ssh(hosts=("a", "b")))


PERSONAPLEX = Spec(name="voice", provider=SSH, engine="personaplex", env={"HF_HUB_OFFLINE": "1"})


def test_the_first_host_is_taken(hosts: Hosts, spec: Spec) -> None:
    """In the order in which they are offered, for nothing."""
    offer = hosts.bring(spec).view.record.offer
    assert (offer.region, offer.price_usd_per_hour, offer.detail) == ("a", 0.0, {"host": "a"})


@pytest.mark.parametrize("is_quick", [True, False])
@pytest.mark.parametrize(
    "error",
    [
        ProviderError("a cannot be reached"),
        PreflightError("the disk of a is full"),
        ConflictError("port 8998 of a is taken"),
    ],
)
def test_what_is_wrong_with_one_host_moves_on_to_the_next(
    hosts: Hosts, spec: Spec, error: PlexError, *, is_quick: bool
) -> None:
    """What was put on the first is removed, it is not left alone for a day, and the attempts say why."""
    hosts.rack.wrong, hosts.rack.is_quick = {"a": error}, is_quick
    deployed = hosts.bring(spec)
    assert [(one.offer.region, one.outcome) for one in deployed.attempts] == [("a", "bad_host"), ("b", "ready")]
    assert deployed.attempts[0].reason == error.message
    assert len(hosts.rack.apps) == 1
    assert hosts.rack.calls.count("destroy") == (0 if is_quick else 1)
    with hosts.session.journal() as journal:
        assert not journal.denied_hosts()


def test_a_host_that_cannot_tell_what_it_carries_keeps_nobody_from_the_others(hosts: Hosts, spec: Spec) -> None:
    """It is said, and the deploy goes on."""
    hosts.rack.fails["find"] = ProviderError("b cannot be reached")
    assert hosts.bring(spec).view.record.offer.region == "a"
    assert any("carries voice: b cannot be reached" in one for one in hosts.reporter.told)


def test_whom_to_believe_ends_it(hosts: Hosts, spec: Spec) -> None:
    """A host that shows another key is no reason to go elsewhere quietly: exit 4, and nothing is left."""
    hosts.rack.wrong = {"a": CredentialsError("a shows another key")}
    with pytest.raises(CredentialsError):
        hosts.bring(spec)
    assert (hosts.rack.apps, hosts.session.records()) == ({}, [])


def test_one_host_alone_fails_in_its_own_words(hosts: Hosts, spec: Spec) -> None:
    """With its own exit code: there was nothing to choose."""
    hosts.rack.offers = (host("a"),)
    hosts.rack.wrong = {"a": PreflightError("the disk of a is full")}
    with pytest.raises(PreflightError) as caught:
        hosts.bring(spec)
    assert caught.value.message == "the disk of a is full; nothing of it is left"


def test_none_of_several_is_told_host_by_host(hosts: Hosts, spec: Spec) -> None:
    """Exit 7, with what mends it."""
    hosts.rack.wrong = {"a": ProviderError("a is away"), "b": PreflightError("b has no disk")}
    with pytest.raises(NoCapacityError) as caught:
        hosts.bring(spec)
    assert "ssh no GPU, host a, 0.00 USD/hour: a is away; ssh no GPU, host b" in caught.value.message
    assert caught.value.hint == "mend one of these hosts, or name others with --host"
    assert (hosts.rack.apps, hosts.session.records()) == ({}, [])


def test_a_host_that_fails_and_cannot_be_cleaned_ends_it(hosts: Hosts, spec: Spec) -> None:
    """Nothing is put on the second while something may be on the first."""
    hosts.rack.wrong = {"a": ProviderError("a is away")}
    hosts.rack.fails["destroy"] = ProviderError("a is away still")
    with pytest.raises(ProviderError) as caught:
        hosts.bring(spec)
    assert "what may be left of it: instance" in caught.value.message
    assert caught.value.hint == "`plexctl destroy voice` ends it; no other offer was tried"


def test_the_same_again_with_another_list_of_hosts_changes_nothing(hosts: Hosts, spec: Spec) -> None:
    """What runs on a host that is still among them is left there; how one logs in is no change of it."""
    hosts.bring(spec)
    more = structs.replace(spec, ssh=Ssh(hosts=("c", "b", "a"), identity="~/.ssh/other", accept_host_key=("SHA256:x",)))
    hosts.rack.offers = (host("c"), host("b"), host("a"))
    again = hosts.bring(more)
    assert (again.changed, again.view.record.offer.region) == (False, "a")
    assert hosts.questions == []


def test_what_runs_is_moved_to_another_host_only_when_asked(hosts: Hosts, spec: Spec) -> None:
    """Where its own host is not named any more: whoever talks to it would be cut off."""
    hosts.bring(spec)
    hosts.rack.offers = (host("b"),)
    moved = hosts.bring(structs.replace(spec, ssh=Ssh(hosts=("b",))))
    assert moved.view.record.offer.region == "b"
    assert hosts.questions == ["voice runs on a: replace it?"]
    assert len(hosts.rack.apps) == 1


def test_a_deploy_goes_on_with_the_next_host_where_one_was_killed(hosts: Hosts, spec: Spec) -> None:
    """It had never been ready: what it left on the first is removed when that fails again."""
    hosts.rack.wrong = {"a": ProviderError("a is away")}
    hosts.rack.fails["destroy"] = ProviderError("killed here")
    with pytest.raises(ProviderError):
        hosts.bring(spec)
    hosts.rack.fails.clear()
    hosts.rack.health = lambda: READY if b'"region":"b"' in next(iter(hosts.rack.apps.values())) else LOADING
    deployed = hosts.bring(spec)
    assert [(one.offer.region, one.outcome) for one in deployed.attempts] == [("a", "bad_host"), ("b", "ready")]
    assert len(hosts.rack.apps) == 1


def test_a_host_whose_gpu_is_too_small_is_passed_over(hosts: Hosts) -> None:
    """As with what others sell; one without any GPU is no place for the model beside one that has some."""
    hosts.rack.offers = (host("a"), host("b", "NVIDIA T4"), host("c", "NVIDIA L40S"))
    prepared = hosts.ready(PERSONAPLEX)
    assert [one.offer.region for one in prepared.all] == ["c"]


def test_a_gpu_that_nobody_has_is_told_host_by_host(hosts: Hosts) -> None:
    """Exit 7."""
    hosts.rack.offers = (host("a", "NVIDIA L40S"),)
    with pytest.raises(NoCapacityError, match="L40S is not H100"):
        hosts.ready(PERSONAPLEX, gpu="H100")


def test_no_more_hosts_are_tried_than_asked_for(hosts: Hosts, spec: Spec) -> None:
    """`limits.max_tries` counts here too."""
    limited = structs.replace(spec, limits=Limits(max_tries=1))
    assert [one.offer.region for one in hosts.ready(limited).all] == ["a"]


@pytest.mark.parametrize(("gpu", "engine"), [("NVIDIA L40S", "personaplex"), (None, "echo")])
def test_the_engine_is_chosen_by_what_the_hosts_have(hosts: Hosts, spec: Spec, gpu: str | None, engine: str) -> None:
    """The model where one of them has a GPU for it, echo otherwise; asked for once."""
    hosts.rack.offers = (host("a"), host("b", gpu))
    assert with_engine(hosts.session, structs.replace(spec, engine=None)).engine == engine
    assert hosts.rack.calls == ["offers"]


def test_flags_of_hosts_are_refused_elsewhere() -> None:
    """Exit 2; with auto, whoever knows the flag is asked."""
    from plexctl.cli.hosts import check_host_flags, host_flags

    flags = host_flags(["me@a"], None, None, None, None)
    check_host_flags(flags, (SSH,))
    check_host_flags(flags, ("auto",))
    with pytest.raises(UsageError, match="--host is for ssh, not for modal, vast"):
        check_host_flags(flags, ("modal", "vast"))
