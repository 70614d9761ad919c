"""What goes wrong at a provider, as plexctl's own errors and states."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from tests.contract.steps import applied, begin, bring_up, offer_of
from tests.contract.worlds import UNDOCUMENTED, Fault, World, until

from plexctl.contract import Bounded
from plexctl.errors import PreflightError, UnhealthyError
from plexctl.identity import new_id
from plexctl.journal import Journal, open_journal
from plexctl.model import Finding, Level, Ref
from plexctl.states import State

IN_WORDS = (State.FAILED, State.UNKNOWN)
"""States that nobody can act on without being told more."""


def test_errors_are_plexctls_own_and_leave_nothing(new_world: Callable[[], World], subtests: pytest.Subtests) -> None:
    """Each fault ends in its class, with the words that help; afterwards a destroy leaves what was there before."""
    for name in new_world().faults():
        world = new_world()
        fault, before = world.faults()[name], world.exists()
        fault.begin()
        with subtests.test(name), open_journal(world.home, time.time) as journal:
            with pytest.raises(fault.error) as caught:
                deploy(world, journal, fault)
            assert type(caught.value) is fault.error
            words = f"{caught.value.message} {caught.value.hint} {caught.value.data}"
            assert fault.says in words
            assert "\n" not in caught.value.message
            fault.end()
            for record in journal.records():
                world.provider().destroy(record.ref, everything=True)
                assert world.running(record.ref) == 0
            assert world.exists() == before


def test_every_native_state_is_one_of_ours(world: World, journal: Journal) -> None:
    """Only what the provider has not documented is UNKNOWN; what is wrong is said in words; nothing is raised."""
    states = world.native_states()
    entry = begin(world, journal)
    bring_up(world, entry)
    for name, bring_about in states.items():
        bring_about()
        status = world.provider().status(entry.ref)
        assert (status.state is State.UNKNOWN) == (name == UNDOCUMENTED), name
        assert status.detail or status.state not in IN_WORDS, name


def refuse_failed(findings: list[Finding]) -> None:
    """Raise what the core raises for the first that refuses a deploy."""
    for finding in findings:
        if finding.level is Level.FAIL:
            raise PreflightError(finding.message, hint=finding.fix)


def deploy(world: World, journal: Journal, fault: Fault) -> None:
    """Do what the core does: check, record, apply, and look whether it came to life. Raises what it ends in."""
    provider, spec = world.provider(), fault.spec or world.spec("voice")
    refuse_failed(provider.preflight(spec))
    offer = fault.offer or offer_of(provider)
    refuse_failed(provider.check_offer(spec, offer) if isinstance(provider, Bounded) else [])
    entry = journal.begin(Ref(provider.name, spec.name, new_id()), spec, offer)
    applied(provider, provider.plan(spec, offer), entry)
    until(lambda: world.provider().status(entry.ref).state is not State.CREATING, "the end of its creation")
    status = world.provider().status(entry.ref)
    if status.state is State.FAILED:
        raise UnhealthyError(status.detail)
