"""The real command line against the loopback Vast, at Vast's own pace: a whole life, and kills at chosen requests."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.process import Plexctl, Result, argv_of, every_pid, plexctl_in
from tests.clouds.vast.clock import Clock
from tests.clouds.vast.cloud import KEY, Cloud
from tests.clouds.vast.faults import GONE_410, Answer
from tests.clouds.vast.routes import Request, route
from tests.clouds.vast.running import RealGateway
from tests.clouds.vast.server import serving
from tests.clouds.vast.world import CUDA, IMAGE

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(300)]
TOKEN = "canary-token-41f7"
DEPLOY = ("deploy", "-p", "vast", "--engine", "echo", "--image", IMAGE, "--name", "voice", "--yes", "--json")


class Shell:
    """plexctl with an account at the loopback Vast."""

    def __init__(self, plexctl: Plexctl, cloud: Cloud) -> None:
        self.plexctl = plexctl
        self.cloud = cloud
        self.environment = {"VAST_URL": cloud.url, "VAST_API_KEY": KEY, "PLEXCTL_TOKEN": TOKEN, "HF_HUB_OFFLINE": "1"}

    def __call__(self, *argv: str, timeout_s: float = 120) -> Result:
        """Run it to its end; no secret is in what it says."""
        done = self.plexctl(*argv, env=self.environment, timeout_s=timeout_s)
        assert "canary" not in done.stdout + done.stderr
        return done

    def killed_at(self, operation: str, *argv: str, is_after: bool) -> None:
        """Run it, and let SIGKILL end it at its first request of an operation, before or after that took effect."""
        answer, started = self.cloud.answer, threading.Event()

        def answering(request: Request) -> Answer | None:
            is_it = route(request)[0] == operation
            answered = answer(request) if is_after or not is_it else None
            if is_it:
                started.wait()
                process.kill()
                return None
            return answered

        self.cloud.answer = answering  # type: ignore[method-assign]
        with self.plexctl.begin(*argv, env=self.environment) as process:
            started.set()
            process.communicate(timeout=120)
        self.cloud.answer = answer  # type: ignore[method-assign]
        assert process.returncode == -9


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """Give an empty account whose instances run the real gateway."""
    cloud = Cloud(gateway=RealGateway, clock=Clock(is_real=True))
    with plexctl_in(tmp_path / "plexctl") as plexctl, serving(cloud):
        yield Shell(plexctl, cloud)
    shutil.rmtree(cloud.folder)


def bills(shell: Shell) -> list[list[str]]:
    """Return what bills, instance by instance."""
    return [sorted(one) for one in shell.cloud.bills().values()]


def test_a_whole_life(shell: Shell) -> None:
    """Taken, bad host, talking; status, a followed log, stop, start, destroy: then nothing bills, nothing was shown."""
    shell.cloud.fail("create", GONE_410)
    shell.cloud.bad_machines[502] = CUDA
    data: dict[str, Any] = shell(*DEPLOY).data
    assert [one["outcome"] for one in data["attempts"]] == ["no_capacity", "bad_host", "ready"]
    assert data["probe"]["verdict"] == "talking"
    assert bills(shell) == [["disk", "gpu"]]
    (found,) = shell("status", "voice", "--json").data["deployments"]
    assert (found["state"], found["endpoint"]["tls"]) == ("ready", data["endpoint"]["tls"])
    with shell.plexctl.begin("logs", "voice", "-f", "--json", env=shell.environment) as following:
        assert following.stdout is not None
        first = json.loads(following.stdout.readline())
        assert "canary" not in repr([argv_of(pid) for pid in every_pid()])
        assert shell("stop", "voice").rc == 0
        rest = [json.loads(line) for line in following.stdout]
    assert following.returncode == 0
    assert first["data"]["text"].startswith("plexctl: tls sha256:")
    assert rest[-1]["data"]["text"].endswith("gateway stopped")
    assert bills(shell) == [["disk"]]
    assert shell("start", "voice", "--json").data["deployment"]["endpoint"]["tls"] != data["endpoint"]["tls"]
    assert shell("destroy", "voice", "--yes").rc == 0
    assert bills(shell) == []
    assert shell.cloud.misfits == []
    files = [path for path in shell.plexctl.root.rglob("*") if path.is_file()]
    assert [path for path in files if b"canary" in path.read_bytes()] == []
    assert [one for one in shell.cloud.requests if "canary" in one.path + repr(one.query)] == []


@pytest.mark.parametrize("operation", ["create", "show"])
@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("is_journal_lost", [False, True])
def test_a_deploy_that_is_killed(shell: Shell, operation: str, *, is_after: bool, is_journal_lost: bool) -> None:
    """The same again is one instance; a destroy leaves none, with the journal or by the label alone."""
    for again in ("deploy", "destroy"):
        shell.killed_at(operation, *DEPLOY, "--no-probe", is_after=is_after)
        was_made = len(shell.cloud.instances)
        assert was_made <= 1
        if is_journal_lost:
            shutil.rmtree(shell.plexctl.home)
        if again == "deploy":
            assert shell(*DEPLOY, "--no-probe").rc == 0
            assert bills(shell) == [["disk", "gpu"]]
        ended = shell("destroy", "voice", "--yes")
        assert ended.rc == (10 if is_journal_lost and not was_made and again == "destroy" else 0)
        assert bills(shell) == []
