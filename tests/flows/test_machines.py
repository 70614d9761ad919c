"""Machines that must boot: waiting for them, taking them back, going on with them; and the one tunnel to each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest
from tests.flows.conftest import World
from tests.flows.ground import GPU, ON_THE_HOST, Ground, ground_adapter
from tests.flows.sky import LOADING, NAME, READY, gateway_of
from tests.flows.test_operate import values_of

from plexctl.contract import Provider
from plexctl.errors import CredentialsError, InterruptedByUser, PlexError, ProviderError, UnhealthyError
from plexctl.flows import operate
from plexctl.flows.observe import observe
from plexctl.model import Endpoint
from plexctl.spec import Limits, Spec
from plexctl.states import State


@dataclass(frozen=True)
class Grounds:
    """The ground alone."""

    ground: Ground

    def names(self) -> list[str]:
        """Return its name."""
        return [NAME]

    def provider_class(self, name: str) -> type[Provider]:
        """Return its adapter."""
        assert name == NAME
        return ground_adapter(self.ground)


@dataclass
class Machines(World):
    """A world whose provider has machines."""

    @property
    def ground(self) -> Ground:
        """The provider's side."""
        assert isinstance(self.sky, Ground)
        return self.sky


@pytest.fixture
def machines(world: World) -> Iterator[Machines]:
    """Give an empty ground, whose gateways answer that they are ready."""
    ground = Ground()
    session = replace(world.session, adapters=Grounds(ground))
    with gateway_of(ground):
        yield Machines(session, ground, world.clock, world.reporter)
    assert ground.open_now == 0, "a tunnel was left open"


def test_a_machine_is_waited_for_and_then_followed(machines: Machines, spec: Spec) -> None:
    """Each stage is told; where callers go is recorded as on the host; one tunnel led there."""
    deployed = machines.deploy(spec)
    told = machines.reporter.told
    assert told.index("creating: booting") < told.index("creating: packages") < told.index("ready: 0 of 1 engines busy")
    record = machines.session.record("voice")
    assert (deployed.view.status.state, record.endpoint) == (State.READY, ON_THE_HOST)
    assert [one.kind for one in record.ref.resources] == ["instance", "host-files"]
    assert machines.ground.opened == [record.ref.label]


def test_waiting_for_a_machine_takes_from_the_starts_own_time(machines: Machines, spec: Spec) -> None:
    """What a boot took is gone when the gateway is waited for: together they have the limit, no more."""
    machines.ground.stages = [f"booting {count}" for count in range(8)]
    machines.ground.health = lambda: LOADING
    with pytest.raises(UnhealthyError, match="was not ready within"):
        machines.deploy(replace_limit(spec, 30.0))
    assert 30.0 <= machines.clock.passed_s < 32.0


def test_a_machine_that_never_boots_is_taken_back(machines: Machines, spec: Spec) -> None:
    """Exit 9 when the time is over, in its last words, and nothing of it is left."""
    machines.ground.stages = ["booting"] * 10_000
    with pytest.raises(UnhealthyError) as caught:
        machines.deploy(replace_limit(spec, 60.0))
    assert caught.value.message == "voice was not made within 60 s: booting; nothing of it is left"
    assert caught.value.hint == "give it longer with --timeout"
    assert (machines.ground.apps, machines.session.records()) == ({}, [])


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ProviderError("the instance is in error"), ProviderError),
        (CredentialsError("voice.example shows another key"), CredentialsError),
        (KeyboardInterrupt(), InterruptedByUser),
    ],
)
def test_what_fails_while_a_machine_comes_up_is_taken_back(
    machines: Machines, spec: Spec, error: BaseException, kind: type[PlexError]
) -> None:
    """Whatever it is, it keeps its own exit code, and the machine is gone."""
    machines.ground.fails["proceed"] = error
    with pytest.raises(kind) as caught:
        machines.deploy(spec)
    assert caught.value.message.endswith("; nothing of it is left")
    assert (machines.ground.apps, machines.session.records()) == ({}, [])


class Killed(BaseException):
    """The process ended at once: nothing is taken back."""


def killed_after_apply(machines: Machines, spec: Spec) -> None:
    """Leave what a plexctl leaves that is killed between `apply` and the first `proceed`."""
    machines.ground.fails |= {"proceed": Killed(), "destroy": Killed()}
    with pytest.raises(Killed):
        machines.deploy(spec)
    machines.ground.fails.clear()
    assert list(machines.ground.apps) == [machines.session.record("voice").ref.label]


def test_a_deploy_goes_on_where_one_was_killed(machines: Machines, spec: Spec) -> None:
    """The machine that was ordered is brought up; none is ordered beside it."""
    killed_after_apply(machines, spec)
    assert observe(machines.session, "voice")[0].status.state is State.CREATING
    assert machines.deploy(spec).view.status.state is State.READY
    assert [one.partition(" ")[0] for one in machines.ground.mutations] == ["create"]


def test_a_start_goes_on_where_a_deploy_was_killed(machines: Machines, spec: Spec) -> None:
    """`start` proceeds as a deploy does."""
    killed_after_apply(machines, spec)
    view, _ = operate.start(machines.session, "voice", values_of)
    assert view.status.state is State.READY
    assert "proceed" in machines.ground.calls


def test_no_tunnel_is_open_while_a_machine_is_taken_away(machines: Machines, spec: Spec) -> None:
    """It would break under whoever holds it."""
    machines.ground.health = lambda: {**READY, "state": "failed", "reason": "out of GPU memory"}
    with pytest.raises(UnhealthyError, match="out of GPU memory"):
        machines.deploy(spec)
    assert machines.ground.opened
    assert machines.ground.moments == [0]


def test_the_same_again_uses_one_tunnel(machines: Machines, spec: Spec) -> None:
    """The look before and the listening after go the same way."""
    machines.deploy(spec)
    machines.ground.opened.clear()
    assert not machines.deploy(spec).changed
    assert len(machines.ground.opened) == 1


def test_a_list_opens_one_tunnel_each_and_closes_them(machines: Machines, spec: Spec) -> None:
    """Side by side; what is shown is the endpoint as recorded, and what the GPUs do."""
    from msgspec import structs

    for name in ("a", "b", "c"):
        machines.ground.stages = []
        machines.deploy(structs.replace(spec, name=name))
    machines.ground.opened.clear()
    views = observe(machines.session, None)
    assert [view.status.state for view in views] == [State.READY] * 3
    assert sorted(machines.ground.opened) == sorted(view.record.ref.label for view in views)
    assert machines.ground.open_now == 0
    shown = views[0].to_dict(machines.session.now())
    assert shown["endpoint"] == {"url": ON_THE_HOST.url, "wss_url": ON_THE_HOST.wss_url, "tls": "ssh"}
    assert shown["gpus"] == [
        {
            "name": GPU.name,
            "memory_used_mib": 20_480,
            "memory_total_mib": 46_068,
            "utilization_percent": 35,
            "temperature_c": 61,
        }
    ]


def test_a_host_without_a_way_is_told_and_fails_nothing(machines: Machines, spec: Spec) -> None:
    """Status says why nobody could be asked; it is never dialled directly."""
    machines.deploy(spec)
    machines.ground.fails["tunnel"] = ProviderError("voice.example refused the connection")
    asked = machines.ground.asked
    (view,) = observe(machines.session, "voice")
    assert (view.status.state, machines.ground.asked) == (State.LOADING, asked)
    assert view.status.detail == "running; no way to its gateway: voice.example refused the connection"


def test_an_endpoint_behind_ssh_is_never_dialled(machines: Machines) -> None:
    """Its address is another machine's loopback: here it would be somebody else's port."""
    from plexctl.flows.health import trust_of

    del machines
    with pytest.raises(ValueError, match="another machine's loopback"):
        trust_of(ON_THE_HOST)


def test_who_has_no_tunnel_is_a_bug(world: World, spec: Spec) -> None:
    """An adapter that tells such an endpoint can lead there."""
    world.deploy(spec)
    ref = world.session.record("voice").ref
    with world.session.tunnels, pytest.raises(TypeError, match="has no tunnel"):
        world.session.way_to(ref, Endpoint("http://127.0.0.1:1", "ws://127.0.0.1:1", "ssh"))


def replace_limit(spec: Spec, seconds: float) -> Spec:
    """Return the spec with another limit for the start."""
    from msgspec import structs

    return structs.replace(spec, limits=Limits(start_timeout_s=seconds))
