"""A gateway or an engine that is killed, frozen or impersonated: status is true, and stop ends what is ours only."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.crash.rig import Machine, until


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """Run a process of somebody else's, in a group of its own, that lives until its pipe is closed."""
    idle = [sys.executable, "-c", "import sys; sys.stdin.read()"]
    with subprocess.Popen(idle, stdin=subprocess.PIPE, start_new_session=True) as process:
        yield process


def test_a_killed_gateway_is_said_to_have_failed_and_comes_back(machine: Machine) -> None:
    """SIGKILL of the gateway: its engine ends with it, status says failed, start brings it back on its port."""
    assert machine.deploy().code == 0
    port = machine.port()
    os.kill(machine.gateway(), signal.SIGKILL)
    until(lambda: machine.processes() == set(), "the engine's end")
    assert machine.states() == {"voice": "failed"}
    assert machine.run("start", "voice").code == 0
    assert machine.states() == {"voice": "ready"}
    assert machine.port() == port
    machine.ends_clean()


def test_after_stop_a_killed_gateway_is_stopped(machine: Machine) -> None:
    """What the user wished for is what a dead process then is."""
    assert machine.deploy().code == 0
    os.kill(machine.gateway(), signal.SIGKILL)
    assert machine.run("stop", "voice").code == 0
    assert machine.states() == {"voice": "stopped"}
    machine.ends_clean()


def test_a_killed_engine_comes_back_by_itself(machine: Machine) -> None:
    """SIGKILL of the engine: the same gateway starts another; status never says more than is true."""
    assert machine.deploy().code == 0
    gateway, engine = machine.gateway(), machine.engine()
    os.kill(engine, signal.SIGKILL)
    assert machine.states()["voice"] in {"loading", "ready"}
    until(lambda: machine.engine() not in (0, engine) and machine.states() == {"voice": "ready"}, "another engine")
    assert machine.gateway() == gateway
    machine.ends_clean()


@pytest.mark.parametrize("frozen", ["gateway", "engine"])
def test_a_frozen_process_is_ended_too(machine: Machine, frozen: str) -> None:
    """SIGSTOP: status does not hang and claims nothing it did not hear; stop wakes it and ends it in order."""
    assert machine.deploy().code == 0
    os.kill(getattr(machine, frozen)(), signal.SIGSTOP)
    if frozen == "gateway":
        done = machine.run("status")
        assert done.data["deployments"][0]["state"] == "loading"
        assert "does not answer" in done.data["deployments"][0]["detail"]
    machine.ends_clean()


def test_a_reused_process_id_fools_nobody(machine: Machine, stranger: subprocess.Popen[bytes]) -> None:
    """The lock, not the number, says what lives: a stranger with the gateway's old id is neither seen nor killed."""
    assert machine.deploy().code == 0
    folder = machine.folder()
    assert folder is not None
    os.kill(machine.gateway(), signal.SIGKILL)
    until(lambda: machine.processes() == set(), "the engine's end")
    (folder / "lock").write_text(f"{stranger.pid}\n")
    assert machine.states() == {"voice": "failed"}
    assert machine.run("stop", "voice").code == 0
    assert machine.run("destroy", "voice", "--yes").code == 0
    assert stranger.poll() is None
    machine.is_clean()


def _kill_engine(machine: Machine) -> bool:
    if engine := machine.engine():
        with suppress(ProcessLookupError):
            os.kill(engine, signal.SIGKILL)
    return True


def test_an_engine_that_gave_up_is_tried_anew_by_the_same_deploy(machine: Machine) -> None:
    """Given up after repeated deaths, status says failed with the reason; deploying again is no `no change`."""
    assert machine.deploy().code == 0
    until(lambda: _kill_engine(machine) and "failed:" in machine.log(), "giving up")
    assert machine.states() == {"voice": "failed"}
    done = machine.deploy()
    assert done.code == 0
    assert done.data["changed"] is True
    assert machine.states() == {"voice": "ready"}
    machine.ends_clean()


@pytest.mark.parametrize(
    ("fault", "words"),
    [("oom", "out of GPU memory"), ("crash", "")],
)
def test_an_engine_that_does_not_talk_is_not_left_behind(machine: Machine, fault: str, words: str) -> None:
    """A deploy that ends without a voice exits 9 with the reason, and removes what it made."""
    done = machine.run(
        *("deploy", "--name", "voice", "--provider", "local", "--engine", "echo", "--yes"),
        *("--env", f"PLEXCTL_ECHO_FAULT={fault}"),
    )
    assert done.code == 9, done.words
    assert words in done.error["message"]
    assert "nothing of it is left" in done.error["message"]
    machine.is_clean()
