"""Ctrl-C and SIGTERM in a deploy: a working deployment or nothing, and it says which."""

from __future__ import annotations

import signal
import subprocess
from concurrent.futures import Future
from functools import partial

import pytest
from tests.crash.points import LOADING_S, POINTS
from tests.crash.rig import Done, Machine, until

SLOW = ("--env", f"PLEXCTL_ECHO_LOAD_S={LOADING_S}")
AFTER_THE_START = ("locked", "begun", "intended", "process born", "id journaled", "loading", "probing")


def _interrupt_at(machine: Machine, point: str, number: signal.Signals) -> Done:
    process = machine.start(*machine.echo, *SLOW)
    until(lambda: POINTS[point](machine) or process.poll() is not None, point)
    process.send_signal(number)
    return machine.finish(process)


def _interrupted(machine: Machine, number: signal.Signals, point: str) -> None:
    done = _interrupt_at(machine, point, number)
    assert (done.code, done.error["code"]) == (130, "interrupted"), done.words
    assert "interrupted" in done.error["message"]
    if point not in ("locked", "begun"):
        assert "nothing of it is left" in done.error["message"]
    machine.is_clean()
    assert machine.states() == {}


INTERRUPTS = [
    *((signal.SIGINT, point) for point in AFTER_THE_START),
    *((signal.SIGTERM, point) for point in ("intended", "loading", "probing")),
    (signal.SIGHUP, "loading"),
]
STORIES = {f"{number.name}: {point}": partial(_interrupted, number=number, point=point) for number, point in INTERRUPTS}


@pytest.mark.parametrize("story", STORIES)
def test_an_interrupted_deploy_leaves_nothing_and_says_so(told: dict[str, Future[None]], story: str) -> None:
    """Exit 130, one document, and no process, folder or record of it."""
    told[story].result()


def test_an_interrupted_second_deploy_leaves_what_ran_before(machine: Machine) -> None:
    """What was there before this run is not this run's to remove, and it says so."""
    assert machine.deploy().code == 0
    before = machine.processes()
    process = machine.start(*machine.echo)
    until(lambda: "conversation 1 begins" in machine.log(), "the probe")
    process.send_signal(signal.SIGINT)
    done = machine.finish(process)
    assert done.code == 130
    assert "voice ran before and was left as it is" in done.error["message"]
    assert machine.processes() == before
    machine.ends_clean()


def test_an_interrupted_start_leaves_it_stopped(machine: Machine) -> None:
    """`start` brings back or leaves as it was."""
    assert machine.deploy(*SLOW).code == 0
    assert machine.run("stop", "voice").code == 0
    process = machine.start("start", "voice", "--json")
    until(lambda: machine.log().count("loading mimi") == 2, "the second loading")
    process.send_signal(signal.SIGTERM)
    done = machine.finish(process)
    assert done.code == 130
    assert "it is stopped" in done.error["message"]
    assert machine.states() == {"voice": "stopped"}
    machine.ends_clean()


def test_a_second_interrupt_cuts_the_removal_and_the_next_destroy_ends_it(machine: Machine) -> None:
    """Impatience costs nothing: whatever is left is known, and can be removed."""
    process = machine.start(*machine.echo, *SLOW)
    assert process.stderr is not None
    until(lambda: POINTS["loading"](machine), "loading")
    process.send_signal(signal.SIGINT)
    for line in process.stderr:
        if "removing what was made" in line:
            break
    process.send_signal(signal.SIGINT)
    done = machine.finish(process)
    assert done.code == 130
    assert "nothing of it is left" in done.error["message"] or "plexctl destroy voice" in done.error["message"]
    machine.ends_clean()


@pytest.mark.parametrize("stream", ["stderr", "stdout"])
def test_nobody_reading_is_no_reason_to_leave_a_ruin(machine: Machine, stream: str) -> None:
    """A failed deploy whose output goes into a closed pipe removes what it made all the same."""
    fault = ("--env", "PLEXCTL_ECHO_FAULT=crash-at-start")
    process = machine.start(*machine.echo, *fault, stderr=subprocess.PIPE)
    closed = process.stderr if stream == "stderr" else process.stdout
    assert closed is not None
    closed.close()
    setattr(process, stream, None)
    process.wait(timeout=40)
    done = machine.finish(process)
    assert done.code in ((9,) if stream == "stderr" else (9, 0))
    machine.is_clean()
