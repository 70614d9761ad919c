"""Another spec in place: the least change, and the way back when it fails."""

from __future__ import annotations

import pytest
from msgspec import structs
from tests.flows.conftest import World
from tests.flows.sky import READY

from plexctl.errors import NoCapacityError, ProviderError, UnhealthyError
from plexctl.flows.updating import REDEPLOY
from plexctl.journal import Wanted
from plexctl.model import Finding, Level, Usage
from plexctl.spec import Gateway, Modal, Spec


def prompted(spec: Spec, prompt: str) -> Spec:
    """Return the spec with another prompt."""
    return structs.replace(spec, gateway=Gateway(text_prompt=prompt))


def test_another_prompt_is_the_least_change(world: World, spec: Spec) -> None:
    """The same deployment, changed once; nothing is destroyed, nobody is asked."""
    first = world.deploy(spec).view.record.ref.id
    second = world.deploy(prompted(spec, "brief")).view.record
    assert (second.ref.id, second.spec.gateway.text_prompt) == (first, "brief")
    assert world.sky.mutations == [f"create plexctl-voice-{first}", f"change plexctl-voice-{first}"]
    assert world.questions == []


def test_a_conversation_is_asked_about(world: World, spec: Spec) -> None:
    """The question says what becomes of it, in the adapter's words."""
    world.deploy(spec)
    world.sky.health = lambda: READY | {"busy": 1}
    world.sky.findings = [Finding(REDEPLOY, Level.OK, "they may finish on the old revision")]
    world.deploy(prompted(spec, "brief"))
    assert world.questions == ["1 conversation(s) run on voice (they may finish on the old revision): go on?"]


def test_a_deployment_that_is_scaled_to_zero_is_not_woken_to_ask(world: World, spec: Spec) -> None:
    """Nobody can talk to what is not up; it is of use all the same, so that a failed update leaves it."""
    world.deploy(spec)
    world.sky.usage = Usage(0, 0.0, "sky's bill")
    asked = world.sky.asked
    world.sky.fails["apply"] = ProviderError("500")
    with pytest.raises(ProviderError):
        world.deploy(prompted(spec, "brief"))
    assert world.sky.asked == asked
    assert world.session.record("voice").wanted is Wanted.RUNNING


def test_an_update_that_does_not_come_up_is_taken_back(world: World, spec: Spec) -> None:
    """The journal and the provider have the former spec again, and the error says so."""
    before = world.deploy(spec).view.record
    body = dict(world.sky.apps)
    world.sky.refuses = b"rude"
    with pytest.raises(UnhealthyError) as caught:
        world.deploy(prompted(spec, "rude"))
    assert caught.value.message.endswith("; voice has its former spec back")
    assert world.session.record("voice").spec == before.spec
    assert world.sky.apps == body


def test_a_way_back_that_fails_is_told_and_recorded(world: World, spec: Spec) -> None:
    """What is recorded is what the next deploy or start applies."""
    before = world.deploy(spec).view.record
    world.sky.fails["apply"] = NoCapacityError("none")
    with pytest.raises(NoCapacityError) as caught:
        world.deploy(prompted(spec, "brief"))
    assert "putting back the former spec failed too (none)" in caught.value.message
    assert world.session.record("voice").spec == before.spec


def test_a_stopped_deployment_is_stopped_again(world: World, spec: Spec) -> None:
    """An update of what was stopped that fails leaves it stopped, with its former spec."""
    from plexctl.flows import operate

    before = world.deploy(spec).view.record
    operate.stop(world.session, "voice")
    world.sky.refuses = b"rude"
    with pytest.raises(UnhealthyError) as caught:
        world.deploy(prompted(spec, "rude"))
    assert caught.value.message.endswith("voice has its former spec back, and it is stopped")
    record = world.session.record("voice")
    assert (record.spec, record.wanted, world.sky.apps) == (before.spec, Wanted.STOPPED, {})


def test_an_update_that_was_killed_is_finished_by_the_next_deploy(world: World, spec: Spec) -> None:
    """The journal has the new spec, the provider the old one: the same deploy again brings it there."""
    record = world.deploy(spec).view.record
    with world.session.journal() as journal:
        journal.entry(record.ref.id).respec(prompted(spec, "brief"), record.offer)
    assert world.deploy(prompted(spec, "brief")).changed
    assert b"brief" in next(iter(world.sky.apps.values()))


def test_another_place_is_another_deployment(world: World, spec: Spec) -> None:
    """Resources cannot be moved: it is removed and made anew, once somebody has agreed."""
    first = world.deploy(spec).view.record.ref
    elsewhere = world.deploy(structs.replace(spec, modal=Modal(environment="elsewhere"))).view.record.ref
    assert world.sky.mutations == [f"create {first.label}", f"destroy {first.label}", f"create {elsewhere.label}"]
    assert world.questions == ["voice runs with another spec: replace it?"]
