"""Several plexctl at once, several deployments, and ports that are taken."""

from __future__ import annotations

import socket

from tests.crash.rig import ECHO, Machine, is_free, until


def test_two_deploys_of_one_name_at_once_make_one_deployment(machine: Machine) -> None:
    """One does it; the other is told at once that the name is being changed (exit 11), and touches nothing."""
    arguments = (*machine.echo, "--no-probe", "--env", "PLEXCTL_ECHO_LOAD_S=1")
    both = [machine.start(*arguments), machine.start(*arguments)]
    done = sorted((machine.finish(process) for process in both), key=lambda one: one.code)
    assert [one.code for one in done] == [0, 11], [one.words for one in done]
    assert done[1].error["code"] == "conflict"
    assert machine.processes() == {machine.gateway(), machine.engine()}
    machine.ends_clean()


def test_a_stop_during_a_deploy_is_refused_and_status_is_not(machine: Machine) -> None:
    """Who reads need not wait for who writes; two who write do not mix."""
    process = machine.start(*machine.echo, "--no-probe", "--env", "PLEXCTL_ECHO_LOAD_S=3")
    until(lambda: "loading mimi" in machine.log(), "loading")
    assert machine.run("stop", "voice").code == 11
    assert machine.states() == {"voice": "loading"}
    assert machine.finish(process).code == 0
    machine.ends_clean()


def test_two_deployments_stand_side_by_side(machine: Machine) -> None:
    """Each has its port, its processes and its end; the end of one does not touch the other."""
    pair = [machine.start("deploy", "--name", name, "--no-probe", *ECHO) for name in ("voice", "other")]
    assert [machine.finish(process).code for process in pair] == [0, 0]
    assert machine.states() == {"other": "ready", "voice": "ready"}
    assert machine.port("voice") != machine.port("other")
    others = {machine.gateway("other"), machine.engine("other")}
    assert machine.run("destroy", "voice", "--yes").code == 0
    assert machine.processes() == others
    assert machine.states() == {"other": "ready"}
    assert machine.run("destroy", "other", "--yes").code == 0
    machine.is_clean()


def test_a_port_that_was_asked_for_and_is_taken_is_a_conflict(machine: Machine) -> None:
    """Exit 11 names the port; nothing is left of the attempt."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = machine.deploy("--port", str(port))
        assert done.code == 11
        assert str(port) in done.error["message"]
        machine.is_clean()


def test_a_port_that_was_not_asked_for_and_is_taken_is_passed_over(machine: Machine) -> None:
    """After a stop somebody takes the port: start takes the next free one and says where it is now."""
    assert machine.run("deploy", "--name", "voice", "--no-probe", *ECHO).code == 0
    assert machine.run("stop", "voice").code == 0
    before = machine.port()
    with socket.create_server(("127.0.0.1", before)):
        done = machine.run("start", "voice")
        assert done.code == 0
        assert machine.port() > before
        assert done.data["deployment"]["endpoint"]["url"] == f"http://127.0.0.1:{machine.port()}"
        assert machine.states() == {"voice": "ready"}
    machine.ends_clean()


def test_the_port_asked_for_is_the_port_and_is_free_afterwards(machine: Machine) -> None:
    """`--port` is kept over stop and start, and given back at the end."""
    assert machine.deploy().code == 0
    assert machine.run("stop", "voice").code == 0
    assert is_free(machine.own_port)
    assert machine.run("start", "voice").code == 0
    assert machine.port() == machine.own_port
    assert not is_free(machine.own_port)
    machine.ends_clean()


def test_the_same_deploy_again_changes_nothing_and_another_spec_replaces_it(machine: Machine) -> None:
    """The same spec: the same processes and `changed` false. Another one: new processes, nothing of the old left."""
    assert machine.deploy().data["changed"] is True
    before, folder = machine.processes(), machine.folder()
    assert machine.deploy().data["changed"] is False
    assert machine.processes() == before
    assert machine.deploy("--env", "COLOUR=blue").data["changed"] is True
    assert machine.processes().isdisjoint(before)
    assert machine.folder() != folder
    assert machine.processes() == {machine.gateway(), machine.engine()}
    machine.ends_clean()
