"""The CLI against the loopback Public Cloud, whose instances are machines with a real sshd."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.process import Plexctl
from tests.clouds.ovh.server import Ovh
from tests.clouds.ovh.world import ovh_with
from tests.machines.hearing import listened_to, opened
from tests.machines.machine import Machines

from plexctl.errors import CredentialsError
from plexctl.secret import Secret

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
TOKEN = "canary-token-of-the-cli"


@pytest.fixture
def cloud(machines: Machines) -> Iterator[Ovh]:
    """Give an OVHcloud whose instances are machines."""
    with ovh_with(machines) as one:
        yield one


def test_an_instance_from_nothing_to_talking_and_to_nothing(tmp_path: Path, cloud: Ovh) -> None:
    """A person deploys, hears it talk through the tunnel, looks, reads, logs in, shelves, wakes and destroys it.

    The token is in no user data, no request, no file here, no command line, and in one file there that root alone
    reads. Nothing is left at the cloud.
    """
    user = Plexctl(tmp_path)
    user.work.mkdir()
    env = {**cloud.for_people, "PLEXCTL_TOKEN": TOKEN}
    done = user.ok("deploy", "--provider", "ovh", "--engine", "echo", "--yes", "--json", env=env).data
    assert done["probe"]["verdict"] == "talking"
    assert done["endpoint"]["tls"] == "ssh"
    (made,) = cloud.instances.values()
    machine = made.machine
    assert machine is not None
    assert [one.path for one in cloud.seen if TOKEN in f"{one.path} {one.headers} {one.body}"] == []
    assert [line for line in machine.processes() if TOKEN in line] == []
    found = machine.run("grep", "-rlF", "--", TOKEN, "/etc", "/var", "/home", "/root").stdout.split()
    assert found == ["/etc/plexctl/secrets.env"]
    assert machine("stat", "-c", "%a %U", "/etc/plexctl/secrets.env") == "600 root"
    injected = json.dumps(made.body["userData"])
    assert machine.host_key not in injected
    assert "allow from 0.0.0.0/0 to any port 22 proto tcp" in machine("cat", "/var/log/ufw-told")
    assert "--append plexctl-ssh --source 127.0.0.1 --jump RETURN" in machine("cat", "/var/log/iptables-told")

    assert user.ok("status", "--json", env=env).data["deployments"][0]["state"] == "ready"
    assert "is ready" in user.ok("logs", "--tail", "50", env=env).stdout
    listened_to(user, env)
    assert opened(user, env)["state"] == "ready"
    assert user.ok("ssh", "personaplex", "--", "hostname", env=env).stdout.strip() == machine("hostname")
    user.ok("stop", "--yes", env=env)
    assert made.status == "SHELVED_OFFLOADED"
    user.ok("start", env=env)
    assert "verdict: talking" in user.ok("probe", "--seconds", "1s", env=env).stdout
    user.ok("destroy", "--yes", env=env)
    assert (cloud.instances, cloud.keys) == ({}, {})
    kept = [path for path in user.root.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
    assert kept == []
    assert not list((user.home / "ssh").iterdir())


def test_an_instance_with_another_host_key_is_refused_and_removed(tmp_path: Path, cloud: Ovh) -> None:
    """User data that somebody changed on its way: exit 4, both fingerprints, and no instance is left."""
    user = Plexctl(tmp_path)
    user.work.mkdir()
    cloud.changes_host_keys = True
    env = {**cloud.for_people, "PLEXCTL_TOKEN": TOKEN}
    refused = user("deploy", "--provider", "ovh", "--engine", "echo", "--yes", "--json", env=env, timeout_s=120)
    assert refused.rc == CredentialsError.exit_code, refused
    assert refused.document["error"]["message"].count("SHA256:") == 2
    assert (cloud.instances, cloud.keys) == ({}, {})
    assert Secret(TOKEN).reveal() not in refused.stderr
