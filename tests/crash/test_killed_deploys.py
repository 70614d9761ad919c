"""plexctl killed in the middle of a deploy: the next command tells the truth, stop and destroy leave nothing."""

from __future__ import annotations

from concurrent.futures import Future
from functools import partial

import pytest
from tests.crash.points import LOADING_S, POINTS
from tests.crash.rig import Machine, until

SLOW = ("--env", f"PLEXCTL_ECHO_LOAD_S={LOADING_S}")


def _kill_at(machine: Machine, point: str) -> None:
    process = machine.start(*machine.echo, *SLOW)
    with process:
        until(lambda: POINTS[point](machine) or process.poll() is not None, point)
        process.kill()


def _killed_and_removed(machine: Machine, point: str) -> None:
    _kill_at(machine, point)
    state = machine.states().get("voice")
    alive = machine.processes()
    if state is None:
        assert alive == set()
    elif alive:
        assert state in {"creating", "loading", "ready"}
    else:
        assert state in {"missing", "failed"}
    machine.ends_clean()


def _killed_and_finished(machine: Machine, point: str) -> None:
    _kill_at(machine, point)
    done = machine.deploy(*SLOW)
    assert done.code == 0, done.words
    assert machine.states() == {"voice": "ready"}
    assert len(list(machine.home.glob("local/*"))) == 1
    assert machine.processes() == {machine.gateway(), machine.engine()}
    machine.ends_clean()


FINISHED_AT = ("begun", "process born", "loading", "probing")
STORIES = {
    **{f"removed: {point}": partial(_killed_and_removed, point=point) for point in POINTS},
    **{f"finished: {point}": partial(_killed_and_finished, point=point) for point in FINISHED_AT},
}


@pytest.mark.parametrize("point", POINTS)
def test_after_sigkill_status_is_true_and_nothing_can_be_left(told: dict[str, Future[None]], point: str) -> None:
    """SIGKILL at each point: what runs is said to run, what does not is not, and all of it can be removed."""
    told[f"removed: {point}"].result()


@pytest.mark.parametrize("point", FINISHED_AT)
def test_the_same_deploy_again_finishes_what_was_cut_off(told: dict[str, Future[None]], point: str) -> None:
    """A deploy after a killed one ends with one working deployment, not with two."""
    told[f"finished: {point}"].result()


def test_a_killed_stop_and_a_killed_destroy_are_finished_by_the_next(machine: Machine) -> None:
    """SIGKILL as soon as the wish is journaled: the wish is kept, and the next command fulfils it."""
    assert machine.deploy().code == 0
    for command in ("stop", "destroy"):
        with machine.start(command, "voice", "--json", *(["--yes"] if command == "destroy" else [])) as process:
            wanted = "stopped" if command == "stop" else "gone"
            sql = f"SELECT 1 FROM deployments WHERE wanted = '{wanted}'"  # noqa: S608 - two constants
            until(lambda sql=sql: machine.recorded(sql), wanted)  # type: ignore[misc]
            process.kill()
    assert machine.states().get("voice", "missing") in {"stopped", "missing", "ready", "draining"}
    machine.ends_clean()


def test_a_lost_journal_loses_nothing(machine: Machine) -> None:
    """Without the local record, destroy finds the deployment at the provider and removes it."""
    assert machine.deploy().code == 0
    for file in machine.home.glob("journal.db*"):
        file.unlink()
    assert machine.states() == {}
    assert machine.run("destroy", "voice", "--yes").code == 0
    machine.is_clean()


def test_a_deployment_without_a_record_is_adopted_and_not_doubled(machine: Machine) -> None:
    """A deploy over a lost journal takes the deployment back, with the spec that was asked for now."""
    assert machine.deploy().code == 0
    folder, gateway = machine.folder(), machine.gateway()
    for file in machine.home.glob("journal.db*"):
        file.unlink()
    done = machine.deploy("--env", "COLOUR=blue")
    assert done.code == 0
    assert done.data["changed"] is True
    assert machine.folder() == folder
    assert machine.gateway() != gateway
    assert machine.processes() == {machine.gateway(), machine.engine()}
    machine.ends_clean()
