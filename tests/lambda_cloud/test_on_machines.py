"""From nothing to talking at Lambda, by the real CLI, on machines with a real sshd, and back to nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lambda_cloud.machines import CANARY, Ground, ground
from tests.machines.machine import Machines

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


@pytest.fixture
def here(machines: Machines, tmp_path: Path) -> Iterator[Ground]:
    """Give a cloud with machines."""
    with ground(machines, tmp_path) as one:
        yield one


def test_from_nothing_to_talking_and_back(here: Ground) -> None:
    """The first region has no room after all, the second talks; then it is looked at, entered, and leaves nothing."""
    here.cloud.full = {"us-east-1"}
    data = here.ok("deploy", "-p", "lambda", "--gpu", "A10", "--engine", "echo", "--yes", "--json").data
    assert data["probe"]["verdict"] == "talking", data
    assert [(one["offer"]["region"], one["outcome"]) for one in data["attempts"]] == [
        ("us-east-1", "no_capacity"),
        ("us-west-1", "ready"),
    ]
    (instance,) = here.cloud.living()
    (rules,) = [one["rules"] for one in here.cloud.rulesets.values()]
    assert [(rule["port_range"], rule["source_network"]) for rule in rules] == [([22, 22], "127.0.0.1/32")]
    assert here.ok("ssh", "personaplex", "--", "hostname").rc == 0
    # The key that was in the user data is the host's no longer.
    injected = next(line for line in instance.body["user_data"].splitlines() if "ed25519_public" in line)
    (machine,) = here.started
    assert machine.host_key.split()[1] not in injected
    assert CANARY not in json.dumps([one.body for one in here.cloud.seen])
    assert not [line for line in machine.processes() if CANARY in line]
    removed = here.ok("destroy", "personaplex", "--yes", "--json").data
    assert removed
    assert here.left() == []
