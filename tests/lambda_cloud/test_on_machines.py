"""From nothing to talking at Lambda, by the real CLI, on machines with a real sshd, and back to nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clouds.lambda_cloud.state import Instance
from tests.lambda_cloud.machines import CANARY, Ground, ground
from tests.machines.hearing import listened_to, opened
from tests.machines.machine import Machine, Machines

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]
DEPLOY = ("deploy", "-p", "lambda", "--gpu", "A10", "--engine", "echo", "--yes", "--json")


@pytest.fixture
def here(machines: Machines, tmp_path: Path) -> Iterator[Ground]:
    """Give a cloud with machines."""
    with ground(machines, tmp_path) as one:
        yield one


def test_from_nothing_to_talking_and_back(here: Ground) -> None:
    """One instance talks, reached through ssh from the caller alone; no secret was sent, and nothing is left."""
    data = here.ok(*DEPLOY).data
    assert data["probe"]["verdict"] == "talking", data
    (instance,), (machine,) = here.cloud.living(), here.started
    (rules,) = [one["rules"] for one in here.cloud.rulesets.values()]
    assert [(rule["port_range"], rule["source_network"]) for rule in rules] == [([22, 22], "127.0.0.1/32")]
    injected = next(line for line in instance.body["user_data"].splitlines() if "ed25519_public" in line)
    assert machine.host_key.split()[1] not in injected
    assert CANARY not in json.dumps([one.body for one in here.cloud.seen])
    assert not [line for line in machine.processes() if CANARY in line]
    here.ok("destroy", "personaplex", "--yes")
    assert here.left() == []


@pytest.mark.slow
def test_another_host_key_ends_the_deploy(here: Ground) -> None:
    """An instance that shows another key than the one that was put there is not logged in to, and is terminated."""
    boot = here.boot

    def in_between(one: Instance) -> Machine:
        made = boot(one)
        made("bash", "-c", "cd /etc/ssh && rm ssh_host_* && ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key")
        return made

    here.cloud.boots = in_between
    result = here(*DEPLOY)
    assert result.rc == 4, result.document
    assert "another key than before" in result.document["error"]["message"]
    assert here.left() == []


@pytest.mark.slow
def test_a_whole_life(here: Ground) -> None:
    """The first region has no room after all, the second talks; looked at, entered, stopped, started, and removed."""
    here.cloud.full = {"us-east-1"}
    data = here.ok(*DEPLOY).data
    assert [(one["offer"]["region"], one["outcome"]) for one in data["attempts"]] == [
        ("us-east-1", "no_capacity"),
        ("us-west-1", "ready"),
    ]
    (status,) = here.ok("status", "personaplex", "--json").data["deployments"]
    assert status["state"] == "ready", status
    assert "is ready" in here.ok("logs", "personaplex").stdout
    listened_to(here.plexctl, here.environment)
    assert opened(here.plexctl, here.environment)["state"] == "ready"
    assert here.ok("ssh", "personaplex", "--", "echo", "in").stdout.strip() == "in"
    assert here.ok("probe", "personaplex", "--json").data["verdict"] == "talking"
    (first,) = here.cloud.living()
    here.ok("stop", "personaplex", "--yes")
    assert here.cloud.living() == []
    here.ok("start", "personaplex")
    (second,) = here.cloud.living()
    assert first.id != second.id
    here.ok("destroy", "personaplex", "--yes")
    assert here.left() == []
