"""What every adapter owes the core, on each adapter's own ground."""

from __future__ import annotations

import msgspec
from tests.contract.steps import NEED, Thing, Watched, applied, begin, bring_up, plan_of
from tests.contract.worlds import ON_MACHINES, WORLDS, World

from plexctl.contract import Capabilities, Provider
from plexctl.journal import Journal
from plexctl.model import MANAGED_BY, Level, Ref, Resource
from plexctl.registry import BUILT_IN, provider_class
from plexctl.secret import Secret
from plexctl.states import State

CANARY = "canary-7f3a91c2"
RUNNING = {State.CREATING, State.LOADING, State.READY}
ENDED = {State.STOPPED, State.FAILED, State.MISSING}


def test_every_built_in_adapter_has_a_world() -> None:
    """An adapter without an entry in WORLDS would be an adapter without these tests."""
    assert set(WORLDS) | set(ON_MACHINES) == set(BUILT_IN)


def test_an_adapter_is_what_the_registry_says(world: World) -> None:
    """It has the contract's methods, its name is the one on the command line, its powers are declared."""
    provider = world.provider()
    assert isinstance(provider, Provider)
    assert provider_class(provider.name) is type(provider)
    assert isinstance(provider.capabilities, Capabilities)
    assert MANAGED_BY == ("managed-by", "plexctl")


def test_reading_changes_nothing(world: World) -> None:
    """Preflight, offers, plan, status, logs and find of nothing create nothing, not even a folder."""
    provider, things = world.provider(), world.exists()
    ref = Ref(provider.name, "voice", "abc234")
    assert all(finding.level is not Level.FAIL for finding in provider.preflight(world.spec("voice")))
    assert [offer.provider for offer in provider.offers(NEED)] == [provider.name] * len(provider.offers(NEED))
    plan_of(world, provider)
    provider.status(ref)
    assert list(provider.logs(ref, follow=False, since=None, tail=None)) == []
    assert list(provider.logs(ref, follow=True, since=None, tail=5)) == []
    assert provider.find(None) == []
    assert not world.home.exists()
    assert world.mutations() == []
    assert world.exists() == things


def test_a_plan_is_pure(world: World) -> None:
    """The same spec and offer give the same bytes, from two adapters; the values of secrets are not among them."""
    first, second = world.provider({"PLEXCTL_TOKEN": Secret(CANARY)}), world.provider()
    plans = [msgspec.json.encode(plan_of(world, provider, secrets=("PLEXCTL_TOKEN",))) for provider in (first, second)]
    assert plans[0] == plans[1]
    assert CANARY.encode() not in plans[0]
    assert b"PLEXCTL_TOKEN" in plans[0]


def test_apply_journals_the_intent_before_and_the_id_after(world: World, journal: Journal) -> None:
    """Nothing runs when the intent is durable; the id is durable as soon as something runs; then the endpoint."""
    provider, entry = world.provider(), begin(world, journal)
    seen: list[tuple[str, int, bool]] = []

    def look(event: str, _: Thing) -> None:
        recorded = entry.record.ref.resources
        assert recorded
        seen.append((event, world.running(entry.ref), recorded[-1].id is not None))

    deployment = applied(provider, plan_of(world, provider), Watched(entry, look))
    assert seen[0] == ("intend", 0, False)
    assert ("created", 1, True) in seen
    assert seen[-1] == ("reached", 1, True)
    assert deployment.ref == entry.ref
    assert deployment.endpoint == entry.record.endpoint is not None
    assert entry.ref.label in [resource.name for resource in entry.ref.resources]


def test_a_second_apply_adopts(world: World, journal: Journal) -> None:
    """What runs already is taken as it is: no change, the same ids, one of it."""
    entry = begin(world, journal)
    first = bring_up(world, entry)
    second = bring_up(world, entry)
    assert (first.changed, second.changed) == (True, False)
    assert second.ref == first.ref
    assert second.endpoint == first.endpoint
    assert world.running(entry.ref) == 1


def test_a_lost_id_does_not_double(world: World, journal: Journal) -> None:
    """Killed between the create and the id's record: the next apply ends with one, and with its id recorded."""
    entry = begin(world, journal)
    made = bring_up(world, entry).ref.resources
    for resource in made:
        entry.intend(resource.kind, resource.name)
    assert [resource.id for resource in entry.ref.resources] == [None] * len(made)
    assert world.provider().status(entry.ref).state in RUNNING
    bring_up(world, entry)
    assert world.running(entry.ref) == 1
    assert all(resource.id for resource in entry.ref.resources)


def test_what_does_not_exist_is_missing_and_can_be_ended(world: World) -> None:
    """Status of nothing is no error; to stop or destroy it is success, with nothing removed."""
    provider = world.provider()
    ref = Ref(provider.name, "voice", "abc234")
    assert provider.status(ref).state is State.MISSING
    provider.stop(ref)
    assert provider.destroy(ref).removed == ()


def test_stop_is_verified_and_may_be_repeated(world: World, journal: Journal) -> None:
    """When stop returns, nothing runs; a second stop changes nothing; apply brings it back where it was."""
    entry = begin(world, journal)
    before = bring_up(world, entry)
    for _ in range(2):
        world.provider().stop(entry.ref)
        assert world.running(entry.ref) == 0
        assert world.provider().status(entry.ref).state in ENDED
    after = bring_up(world, entry)
    assert after.changed
    assert after.endpoint == before.endpoint
    assert world.running(entry.ref) == 1


def test_destroy_is_verified_and_may_be_repeated(world: World, journal: Journal) -> None:
    """When destroy returns, nothing runs; it tells what it removed, and the second time nothing."""
    entry = begin(world, journal)
    ref = bring_up(world, entry).ref
    removed = world.provider().destroy(ref).removed
    assert removed
    assert _ids(removed) <= _ids(ref.resources)
    assert world.running(ref) == 0
    assert world.provider().status(ref).state is State.MISSING
    assert world.provider().destroy(ref).removed == ()


def test_an_accident_is_seen_and_mended(world: World, journal: Journal) -> None:
    """Ended behind plexctl's back, it is not said to run, and can be brought back or destroyed."""
    entry = begin(world, journal)
    bring_up(world, entry)
    world.kill(entry.ref)
    assert world.provider().status(entry.ref).state in ENDED
    assert bring_up(world, entry).changed
    world.kill(entry.ref)
    world.provider().destroy(entry.ref, everything=True)
    assert world.provider().find(None) == []


def test_find_rebuilds_everything_without_local_state(world: World, journal: Journal) -> None:
    """Name, id and resources are read back from the provider alone, and what was found can be worked with."""
    refs = [bring_up(world, begin(world, journal, name), name).ref for name in ("voice", "voice-two")]
    assert _identities(world.provider().find(None)) == _identities(refs)
    assert _identities(world.provider().find("voice")) == _identities(refs[:1])
    assert world.provider().find("voic") == []
    (found,) = world.provider().find("voice-two")
    assert _ids(found.resources) <= _ids(refs[1].resources)
    status = world.provider().status(found)
    assert status.state in RUNNING
    assert status.endpoint is not None
    world.provider().stop(found)
    assert world.running(refs[1]) == 0
    world.provider().destroy(found, everything=True)
    assert _identities(world.provider().find(None)) == _identities(refs[:1])
    assert world.running(refs[0]) == 1


def test_a_secret_is_where_it_is_needed_and_nowhere_else(world: World, journal: Journal) -> None:
    """Not in the journal, a file, a log, a command line, a return value: only where the gateway reads it."""
    entry = begin(world, journal)
    deployment = bring_up(world, entry, secrets={"PLEXCTL_TOKEN": Secret(CANARY)})
    status = world.provider().status(entry.ref)
    assert world.places_of(CANARY) == world.expected_places(entry.ref)
    assert CANARY not in repr((deployment, status, entry.record, world.provider().find(None)))
    world.provider().destroy(entry.ref, everything=True)
    assert world.places_of(CANARY) == []


def _identities(refs: list[Ref]) -> list[tuple[str, str, str]]:
    return [(ref.provider, ref.name, ref.id) for ref in refs]


def _ids(resources: tuple[Resource, ...]) -> set[tuple[str, str, str | None]]:
    return {(one.kind, one.name, one.id) for one in resources}
