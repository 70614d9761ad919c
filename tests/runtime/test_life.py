"""A deployment in a container, from deploy to destroy, with the real CLI on a real engine."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from tests.cli.process import argv_of, every_pid
from tests.runtime.rig import Here, until

from plexctl.journal import open_journal
from plexctl.model import Offer, Ref
from plexctl.spec import Local, Spec

pytestmark = pytest.mark.real

CANARY = "canary-7d1f0b9e"


def test_from_deploy_to_destroy(here: Here) -> None:
    """Deploy, again, status, probe, stop, start, destroy: each is true at the engine when it is said."""
    deployed = here.run(*here.argv)
    assert deployed.rc == 0, deployed.stderr
    assert deployed.data["deployment"]["state"] == "ready"
    assert deployed.data["probe"]["verdict"] == "talking"
    assert deployed.data["endpoint"]["url"] == f"http://127.0.0.1:{here.port}"
    made = here.inspect()["Id"]
    assert here.networks() == here.containers()

    again = here.deploy()
    assert (again.rc, again.data["changed"]) == (0, False)
    assert here.inspect()["Id"] == made
    assert here.state() == "ready"
    assert here.run("probe", "voice").data["verdict"] == "talking"

    assert here.run("stop", "voice").data["changed"]
    assert here.inspect()["State"]["Running"] is False
    assert here.inspect()["State"]["ExitCode"] == 0
    assert here.state() == "stopped"
    assert not here.run("stop", "voice").data["changed"]

    started = here.run("start", "voice")
    assert started.rc == 0, started.stderr
    assert started.data["deployment"]["endpoint"] == deployed.data["endpoint"]
    assert here.inspect()["Id"] == made, "the same container is brought back"

    removed = here.run("destroy", "voice", "--yes").data["removed"]
    assert [one["kind"] for one in removed] == ["network", "container"]
    here.is_clean()


def test_it_is_kept_in(here: Here) -> None:
    """Only the loopback reaches it, it has no rights, and it writes nowhere but in /tmp."""
    assert here.deploy().rc == 0
    found = here.inspect()
    host = found["HostConfig"]
    assert host["PortBindings"] == {"8998/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(here.port)}]}
    assert host["ReadonlyRootfs"] is True
    assert host["RestartPolicy"]["Name"] in ("", "no")
    assert "no-new-privileges" in " ".join(host["SecurityOpt"])
    assert found["EffectiveCaps"] in (None, [])
    assert list(found["NetworkSettings"]["Networks"]) == here.networks()
    (name,) = here.containers()
    assert here.podman.run("exec", name, "sh", "-c", "echo > /opt/plexctl/x").returncode != 0
    assert here.podman.run("exec", name, "sh", "-c", "echo > /tmp/x").returncode == 0


def test_logs_are_followed_to_the_end(here: Here) -> None:
    """`logs -f` shows what is there and what comes, and ends with the container; `logs` shows the same afterwards."""
    assert here.deploy().rc == 0
    with here.plexctl.begin("logs", "voice", "-f", env=here.env()) as follower:
        assert follower.stdout is not None
        first = follower.stdout.readline()
        assert "listening on" in first
        here.run("stop", "voice")
        followed = [line.rstrip("\n") for line in (first, *follower.stdout)]
    assert follower.returncode == 0
    assert followed[-1].endswith("gateway stopped")
    shown = [one["text"] for one in here.run("logs", "voice").data["lines"]]
    assert [line.partition(" ")[2] for line in followed] == shown
    tail = here.run("logs", "voice", "--tail", "2").data["lines"]
    assert [one["text"] for one in tail] == shown[-2:]


def test_it_ends_by_itself(here: Here) -> None:
    """At the end of its lifetime the gateway ends in order, nothing starts it again, and `start` gives it a new one."""
    assert here.deploy("--ttl", "6s").rc == 0
    made = here.inspect()["Id"]
    until(lambda: not here.inspect()["State"]["Running"], "its end")
    assert here.inspect()["State"]["ExitCode"] == 0
    status = here.run("status", "voice").data["deployments"][0]
    assert (status["state"], status["detail"]) == ("stopped", "ended: expired")
    started = here.run("start", "voice")
    assert started.rc == 0, started.document
    assert here.inspect()["Id"] != made, "a container's settings, its end among them, cannot be changed"


@pytest.mark.slow
def test_another_runtime_replaces_it(here: Here) -> None:
    """From container to process and back: what ran before is gone, and each is found again by what it is."""
    assert here.deploy().rc == 0
    process = [word if word != "docker" else "process" for word in here.argv]
    assert here.run(*process, "--no-probe").rc == 0
    assert here.containers() == here.networks() == []
    assert here.state() == "ready"
    assert here.deploy().rc == 0
    assert here.plexctl.processes() == []
    assert len(here.containers()) == 1
    assert here.run("destroy", "voice", "--yes").rc == 0
    here.is_clean()


def test_a_lost_journal_loses_nothing(here: Here) -> None:
    """Without any record the container is found by its labels: deploy adopts it, destroy removes it."""
    assert here.deploy().rc == 0
    before = here.containers()
    for file in here.plexctl.home.glob("journal.db*"):
        file.unlink()
    assert here.deploy().rc == 0
    assert here.containers() == before
    for file in here.plexctl.home.glob("journal.db*"):
        file.unlink()
    assert here.run("destroy", "voice", "--yes").rc == 0
    here.is_clean()


def test_what_is_shared_is_kept_and_named(here: Here) -> None:
    """Other deployments read the same weights: destroy leaves their volume and says what removes it."""
    spec = Spec(name="voice", provider="local", engine="personaplex", local=Local(runtime="docker"))
    with open_journal(here.plexctl.home, time.time) as journal:
        ref = Ref("local", "voice", "abc234")
        entry = journal.begin(ref, spec, Offer("local", None, 0, None, 0.0, "this machine", None))
        entry.intend("network", ref.label)
    here.podman("volume", "create", "plexctl-weights")
    (kept,) = here.run("destroy", "voice", "--yes").data["kept"]
    assert (kept["kind"], kept["name"]) == ("volume", "plexctl-weights")
    assert "docker volume rm plexctl-weights" in kept["why"]
    here.podman("volume", "rm", "plexctl-weights")
    assert here.deploy().rc == 0
    assert here.run("destroy", "voice", "--yes").data["kept"] == []


@pytest.mark.slow
def test_what_somebody_did_to_it_is_seen_and_mended(here: Here) -> None:
    """Killed, paused or removed behind plexctl's back, it is not said to be well; `start` brings it back."""
    assert here.deploy().rc == 0
    (name,) = here.containers()
    here.podman("kill", name)
    assert here.state() == "failed"
    assert here.run("start", "voice").rc == 0
    here.podman("pause", name)
    assert here.state() != "ready"
    here.podman("unpause", name)
    here.podman("rm", "--force", "--time", "0", name)
    assert here.state() == "missing"
    assert here.run("start", "voice").rc == 0
    assert here.state() == "ready"


@pytest.mark.slow
def test_a_paused_one_can_be_stopped(here: Here) -> None:
    """It is woken first, so that it ends in order."""
    assert here.deploy().rc == 0
    (name,) = here.containers()
    here.podman("pause", name)
    assert here.run("stop", "voice").rc == 0
    assert here.inspect()["State"]["ExitCode"] == 0


def test_a_secret_is_in_the_container_and_nowhere_else(here: Here, tmp_path: Path) -> None:
    """Not in a log, the journal, a document or a message; the reader is told who can see it."""
    env = {"PLEXCTL_TOKEN": CANARY}
    deployed = here.run(*here.argv, env=env)
    assert deployed.rc == 0, deployed.stderr
    assert deployed.data["probe"]["verdict"] == "talking"
    shown = [deployed.stdout, deployed.stderr]
    for argv in (("status", "voice"), ("logs", "voice"), ("list",), ("deploy", *here.argv[1:], "--dry-run")):
        done = here.run(*argv, env=env)
        shown += [done.stdout, done.stderr]
    assert CANARY not in "".join(shown)
    assert "PLEXCTL_TOKEN" in " ".join(one["message"] for one in deployed.data["findings"])
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert kept == []
    found = here.inspect()
    assert f"PLEXCTL_TOKEN={CANARY}" in found["Config"]["Env"]
    found["Config"].pop("Env")
    assert CANARY not in json.dumps(found)
    assert not [pid for pid in every_pid() if CANARY.encode() in argv_of(pid)]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        urllib.request.urlopen(f"http://127.0.0.1:{here.port}/api/chat", timeout=10)
