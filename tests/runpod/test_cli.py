"""The CLI against the loopback RunPod: a life on a raw port with its tunnel, candidates, and refusals."""

from __future__ import annotations

import json
import signal
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from tests.cli.inside import Here
from tests.clouds.runpod.faults import FULL
from tests.clouds.runpod.server import RunPod
from tests.clouds.runpod.state import Pod
from tests.clouds.runpod.world import CUDA, IMAGE

TOKEN = "canary-token-of-the-cli"
DEPLOY = ("deploy", "-p", "runpod", "--engine", "echo", "--image", IMAGE, "--no-probe", "--yes", "--json")


@pytest.fixture
def cloud() -> Iterator[RunPod]:
    """Give an account whose pods run the real gateway."""
    with RunPod() as one:
        yield one


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Give the CLI in this process."""
    one = Here(tmp_path, monkeypatch, capsys)
    one.work.mkdir()
    return one


def environment(cloud: RunPod) -> dict[str, str]:
    """Return the variables with which the CLI works at the loopback."""
    return {**cloud.environment_variables, "PLEXCTL_TOKEN": TOKEN}


def strangers_to(cloud: RunPod) -> str:
    """Return everything that RunPod was sent but the environment of a create."""
    bodies = [json.loads(one.body) for one in cloud.seen if one.operation in ("create", "update")]
    return repr(([{**body, "env": {}} for body in bodies], [(one.path, one.headers) for one in cloud.seen]))


@pytest.mark.timeout(120)
def test_a_life_on_a_raw_port(here: Here, cloud: RunPod) -> None:
    """Deploy, talk by the pin, open for a browser, a followed log that is cut, stop, start, destroy: nothing bills."""
    env = environment(cloud)
    (here.work / "plexctl.toml").write_text('[runpod]\nexpose = "tcp"\n', encoding="utf-8")
    endpoint = here.ok(*DEPLOY, "--gpu", "RTX 4090", env=env).data["endpoint"]
    assert endpoint["tls"].startswith("sha256:")
    said = [here.ok("probe", "--seconds", "1s", env=env).stdout, here.ok("status", "--json", env=env).stdout]
    assert "verdict: talking" in said[0]
    with here.begin("open", env=env) as tunnel:
        assert tunnel.stdout is not None
        url = tunnel.stdout.readline().strip()
        with pytest.raises(OSError, match="CERTIFICATE_VERIFY_FAILED"):
            urlopen(f"{endpoint['url']}/health", context=ssl.create_default_context())  # noqa: S310 - our own gateway
        with urlopen(f"{url}/health") as answer:  # noqa: S310 - our own tunnel
            assert json.load(answer)["state"] == "ready"
        tunnel.send_signal(signal.SIGINT)
        assert tunnel.wait(20) == 0
    cloud.logs.cuts = [2, 3]
    with here.begin("logs", "-f", env=env) as following:
        assert following.stdout is not None
        lines = [following.stdout.readline()]
        reader = threading.Thread(target=lines.extend, args=(following.stdout,))
        reader.start()
        here.ok("stop", env=env)
        reader.join(30)
        assert following.wait(30) == 0
    assert lines[-1].endswith("gateway stopped\n")
    assert len(lines) == len(set(lines))
    assert any("Last-Event-ID" in one.headers for one in cloud.seen)
    assert [kind for _, kind, _ in cloud.billing()] == ["storage"]
    said += [here.ok("start", "--json", env=env).stdout, here.ok("destroy", "--yes", "--json", env=env).stdout]
    assert cloud.billing() == []
    files = b"".join(path.read_bytes() for path in here.root.rglob("*") if path.is_file())
    assert TOKEN not in f"{files!r} {said} {lines} {strangers_to(cloud)}"


def test_three_candidates(here: Here, cloud: RunPod, monkeypatch: pytest.MonkeyPatch) -> None:
    """No capacity, a host without CUDA, a good one: exit 0, one pod, and the table says why."""
    delete = cloud.calls.delete

    async def and_the_next_host_is_good(pod: Pod) -> Any:
        cloud.running.trouble = None
        return await delete(pod)

    monkeypatch.setattr(cloud.calls, "delete", and_the_next_host_is_good)
    cloud.fail("create", 400, FULL)
    cloud.running.trouble = CUDA
    attempts = here.ok(*DEPLOY, "--gpu", "24GB..80GB", env=environment(cloud)).data["attempts"]
    assert [one["outcome"] for one in attempts] == ["no_capacity", "bad_host", "ready"]
    assert "no longer any instances" in attempts[0]["reason"]
    assert "unsatisfied condition: cuda>=12.8" in attempts[1]["reason"]
    assert [kind for _, kind, _ in cloud.billing()] == ["running", "storage"]
    here.ok("destroy", "--yes", env=environment(cloud))


def test_all_fail(here: Here, cloud: RunPod) -> None:
    """Exit 7, each attempt with RunPod's own words, and none alive."""
    cloud.fail("create", 400, FULL, times=None)
    refused = here(*DEPLOY, "--gpu", "24GB..80GB", env=environment(cloud))
    assert refused.rc == 7
    assert {one["outcome"] for one in refused.data["attempts"]} == {"no_capacity"}
    assert cloud.billing() == []


def test_a_key_that_may_not_create_leaves_nothing(here: Here, cloud: RunPod) -> None:
    """Exit 4 in words, and the journal is empty."""
    cloud.fail("create", 403, "access denied", times=None)
    refused = here(*DEPLOY, "--gpu", "RTX 4090", env=environment(cloud))
    assert (refused.rc, "the right to" in refused.document["error"]["hint"]) == (4, True)
    assert here.ok("list", "--json", env=environment(cloud)).data["deployments"] == []
