"""The CLI killed, or its engine's answer lost, at each step of a deploy: what comes next finds the truth."""

from __future__ import annotations

import pytest
from tests.runtime.proxy import AFTER, BEFORE, CUT, Proxy
from tests.runtime.rig import Here, until

pytestmark = pytest.mark.real

POINTS = {
    "before the network": (r"POST .*/networks/create", BEFORE, 0, 0, "missing"),
    "network made, nobody told": (r"POST .*/networks/create", AFTER, 1, 0, "missing"),
    "network made, no container": (r"POST .*/containers/create", BEFORE, 1, 0, "missing"),
    "container made, nobody told": (r"POST .*/containers/create", AFTER, 1, 1, "creating"),
    "container made, not started": (r"POST .*/containers/\S+/start", BEFORE, 1, 1, "creating"),
    "started, nobody told": (r"POST .*/containers/\S+/start", AFTER, 1, 1, "ready"),
}
"""The request at which it is killed, what there is then of networks and containers, and what `status` says in time."""


SAMPLE = ("network made, no container", "started, nobody told")
EVERY_POINT = pytest.mark.parametrize(
    "point", [point if point in SAMPLE else pytest.param(point, marks=pytest.mark.slow) for point in POINTS]
)


def kill_at(here: Here, proxy: Proxy, point: str) -> None:
    """SIGKILL to a deploy at a point; check what is at the engine, and what is said of it."""
    pattern, action, networks, containers, state = POINTS[point]
    rule = proxy.add(pattern, action)
    with here.plexctl.begin(*here.argv, "--no-probe", env=here.env(proxy.docker_host)) as process:
        rule.wait()
        process.kill()
        process.communicate()
    assert (len(here.networks()), len(here.containers())) == (networks, containers)
    until(lambda: here.state() == state, f"the state {state}")


@EVERY_POINT
def test_a_killed_deploy_is_finished_by_the_next(here: Here, proxy: Proxy, point: str) -> None:
    """`deploy` again ends with one container and one network, ready; `destroy` leaves nothing."""
    kill_at(here, proxy, point)
    done = here.deploy()
    assert done.rc == 0, done.document
    assert len(here.containers()) == 1
    assert here.networks() == here.containers()
    assert here.recorded("SELECT count(*) FROM resources WHERE id IS NULL AND removed_at IS NULL") == [(0,)]
    assert here.run("destroy", "voice", "--yes").rc == 0
    here.is_clean()


@EVERY_POINT
def test_a_killed_deploy_is_removed_by_destroy(here: Here, proxy: Proxy, point: str) -> None:
    """`destroy` right away leaves nothing either."""
    kill_at(here, proxy, point)
    assert here.run("destroy", "voice", "--yes").rc == 0
    here.is_clean()


@pytest.mark.parametrize(
    "pattern",
    [r"POST .*/networks/create", r"POST .*/containers/create", r"POST .*/containers/\S+/start"],
)
def test_a_lost_answer_is_looked_up(here: Here, proxy: Proxy, pattern: str) -> None:
    """What was made although nobody heard of it is taken, and not made twice."""
    rule = proxy.add(pattern, CUT)
    done = here.deploy(env=here.env(proxy.docker_host))
    assert rule.reached.is_set()
    assert done.rc == 0, done.document
    assert len(here.containers()) == 1
    assert here.networks() == here.containers()


def test_lost_answers_at_the_end_are_looked_up(here: Here, proxy: Proxy) -> None:
    """Stopped or removed although nobody heard of it is stopped or removed."""
    assert here.deploy().rc == 0
    proxy.add(r"POST .*/containers/\S+/stop", CUT)
    assert here.run("stop", "voice", env=here.env(proxy.docker_host)).rc == 0
    for pattern in (r"DELETE .*/containers/", r"DELETE .*/networks/"):
        proxy.add(pattern, CUT)
    assert here.run("destroy", "voice", "--yes", env=here.env(proxy.docker_host)).rc == 0
    here.is_clean()


@pytest.mark.parametrize("pattern", [r"POST .*/networks/create", r"POST .*/containers/create"])
def test_a_refused_create_leaves_nothing(here: Here, proxy: Proxy, pattern: str) -> None:
    """The engine's words, exit code 8, and everything made before is removed."""
    proxy.add(pattern, 500, "the moon is full")
    done = here.deploy(env=here.env(proxy.docker_host))
    assert done.rc == 8, done.document
    assert "the moon is full; nothing of it is left" in done.document["error"]["message"]
    here.is_clean()
