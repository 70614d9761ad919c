"""`doctor` through the real CLI, against a Hub of the test's own; and its parts."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from tests.cli.failures import PLUGINS, plugins
from tests.cli.process import Plexctl
from tests.cli.schemas import check
from tests.clouds.hub import Fault, Hub
from tests.licence.world import CANARY, populate, token

from plexctl.extras import Requirement, check_extras, parse_requirements, requirements, satisfies
from plexctl.flows.doctor import check_clock
from plexctl.model import Level
from plexctl.registry import BUILT_IN
from plexctl.side_by_side import ask_all

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Give a Hub with PersonaPlex and people in every standing."""
    with Hub() as one:
        populate(one)
        yield one


def findings(
    one: Plexctl, hub: Hub, who: str | None, *argv: str, env: Mapping[str, str] | None = None
) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code and the findings by check."""
    surroundings = hub.environment | ({"HF_TOKEN": token(who)} if who else {}) | dict(env or {})
    result = one("doctor", *argv, "--json", env=surroundings)
    data = check(result.document) if result.rc == 0 else result.data
    assert CANARY not in result.stdout + result.stderr
    return result.rc, {finding["check"]: finding for finding in data["findings"]}


def test_all_is_well(plexctl: Plexctl, hub: Hub) -> None:
    """With a token that may read the model there is a finding for each check, none fails, and the exit code is 0."""
    code, found = findings(plexctl, hub, "ann")
    assert code == 0
    ssh = ["ssh", "ssh-library", "ssh-keys", "ssh-known-hosts"]
    names = ["python", "extras", "container", *ssh, "hugging-face", "hub", "clock"]
    assert list(found) == [*names, *(f"credentials-{name}" for name in BUILT_IN)]
    assert (found["hugging-face"]["level"], found["clock"]["level"]) == ("ok", "ok")
    assert not plexctl.home.exists()
    words = plexctl.ok("doctor", env={**hub.environment, "HF_TOKEN": token("ann")}).stdout
    assert "granted (token of ann, from HF_TOKEN)" in words


def test_without_a_token_the_fix_is_named(plexctl: Plexctl, hub: Hub) -> None:
    """No token is a warning: the engine that needs no weights needs none."""
    code, found = findings(plexctl, hub, None)
    assert (code, found["hugging-face"]["level"]) == (0, "warn")
    assert "https://huggingface.co" in found["hugging-face"]["fix"]


@pytest.mark.parametrize("who", ["bob", "pat", "rex", "expired", "narrow", "nobody"])
def test_a_token_that_may_not_fails(plexctl: Plexctl, hub: Hub, who: str) -> None:
    """Whatever stands between the token and the weights is exit code 6, with its fix and all other findings."""
    code, found = findings(plexctl, hub, who)
    assert (code, found["hugging-face"]["level"]) == (6, "fail")
    assert found["hugging-face"]["fix"]
    assert found["python"]["level"] == "ok"


def test_a_hub_that_hangs_does_not_hold_it_up(plexctl: Plexctl, hub: Hub) -> None:
    """Without an answer the finding says so within the deadline, and the others are there."""
    hub.fail(Fault(delay_s=30))
    begun = time.monotonic()
    code, found = findings(plexctl, hub, "ann")
    assert time.monotonic() - begun < 12
    assert (code, found["hugging-face"]["level"], found["clock"]["level"]) == (6, "fail", "warn")
    assert found["ssh"]


def test_a_wrong_clock_is_found(plexctl: Plexctl, hub: Hub) -> None:
    """A Hub that is a day ahead of this machine says that this clock is slow, and that fails."""
    told = format_datetime(datetime.now(UTC) + timedelta(days=1), usegmt=True)
    answer = f"HTTP/1.1 404 Not Found\r\nDate: {told}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    hub.fail(Fault(raw=answer.encode()))
    code, found = findings(plexctl, hub, "ann")
    assert (code, found["clock"]["level"], " slow" in found["clock"]["message"]) == (6, "fail", True)


def test_a_token_file_that_is_not_there_is_a_finding(plexctl: Plexctl, hub: Hub) -> None:
    """What is wrong with the settings is one finding among the others."""
    code, found = findings(plexctl, hub, None, "--hf-token-file", "none")
    assert (code, "No such file" in found["hugging-face"]["message"]) == (6, True)
    assert found["clock"]["level"] == "ok"


def test_a_gpu_that_is_not_there(plexctl: Plexctl, hub: Hub) -> None:
    """`--gpu` with a Python without torch says what to install; other findings stay."""
    code, found = findings(plexctl, hub, "ann", "--gpu", "--engine-python", sys.executable)
    assert (code, found["gpu-torch"]["level"]) == (6, "fail")
    assert "plexctl[gpu]" in found["gpu-torch"]["fix"]
    code, found = findings(plexctl, hub, "ann", "--gpu", env={"PLEXCTL_ENGINE_PYTHON": "/nonexistent"})
    assert (code, "/nonexistent" in found["gpu"]["message"]) == (6, True)


def test_a_gpu_that_answers(plexctl: Plexctl, hub: Hub) -> None:
    """What the probe of another Python prints becomes findings: device, kernels, memory, bandwidth, real time."""
    told = {
        "torch": "2.11.0+cu130",
        "torch_cuda": "13.0",
        "name": "NVIDIA H200",
        "compute_capability": "9.0",
        "driver_cuda": "13.0",
        "total_bytes": 150_109_028_352,
        "free_bytes": 149_000_000_000,
        "has_kernels": True,
        "bandwidth_gb_s": 4240.0,
        "bandwidth_s": 0.6,
    }
    python = plexctl.work / "python"
    python.write_text(f"#!/bin/sh\necho '{json.dumps(told)}'\n")
    python.chmod(0o755)
    code, found = findings(plexctl, hub, "ann", "--gpu", "--engine-python", str(python))
    assert code == 0
    assert {"gpu-device", "gpu-kernels", "gpu-memory", "gpu-bandwidth", "gpu-real-time"} <= set(found)
    assert "engines in real time: 2" in found["gpu-real-time"]["message"]


def test_tools_that_are_missing_are_named(plexctl: Plexctl, hub: Hub) -> None:
    """Without docker, podman and ssh on the path there are two warnings with what to install."""
    code, found = findings(plexctl, hub, "ann", env={"PATH": "/nonexistent"})
    assert (code, found["container"]["level"], found["ssh"]["level"]) == (0, "warn", "warn")
    assert "docker or podman" in found["container"]["fix"]
    assert "openssh-client" in found["ssh"]["fix"]


def test_a_container_engine_that_does_not_answer(plexctl: Plexctl, hub: Hub) -> None:
    """An engine that is installed and fails is told from one that is missing."""
    tools = plexctl.work / "bin"
    tools.mkdir()
    (tools / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tools / "docker").chmod(0o755)
    _, found = findings(plexctl, hub, "ann", env={"PATH": f"{tools}"})
    assert "docker is installed and does not answer" in found["container"]["message"]
    (tools / "docker").write_text("#!/bin/sh\necho 27.1\n")
    _, found = findings(plexctl, hub, "ann", env={"PATH": f"{tools}"})
    assert (found["container"]["level"], found["container"]["message"]) == ("ok", "docker 27.1")


def test_other_peoples_adapters_check_their_credentials(plexctl: Plexctl, hub: Hub) -> None:
    """An adapter's own `check_credentials` is called; one whose package is missing, or that breaks, is a finding.

    What is lacking fails only for the provider that is used.
    """
    plugins(plexctl)
    (plexctl.work / "empty_provider.py").write_text(
        "from plexctl.model import Finding, Level\n"
        "class Empty:\n    name = 'empty'\n    def __init__(self, context): pass\n"
        "    def check_credentials(self): return Finding('credentials-empty', Level.FAIL, 'refused', 'log in')\n"
    )
    _, found = findings(plexctl, hub, "ann", env=PLUGINS)
    assert (found["credentials-empty"]["level"], found["credentials-empty"]["fix"]) == ("warn", "log in")
    assert found["credentials-ghost"]["level"] == "warn"
    code, found = findings(plexctl, hub, "ann", env={**PLUGINS, "PLEXCTL_PROVIDER": "empty"})
    assert (code, found["credentials-empty"]["level"]) == (6, "fail")
    assert "no_such_package" in found["credentials-ghost"]["message"]
    assert found["credentials-broken"]["message"] == "credentials-broken: TypeError"


def test_settings_that_are_wrong_are_a_finding(plexctl: Plexctl, hub: Hub) -> None:
    """Among the others, which are there all the same."""
    (plexctl.work / "plexctl.toml").write_text("nmae = 1\n")
    code, found = findings(plexctl, hub, "ann")
    assert (code, found["settings"]["level"], found["clock"]["level"]) == (6, "fail", "ok")


@pytest.mark.parametrize(
    ("off_s", "level", "word"),
    [
        (0, Level.OK, "right"),
        (-29, Level.OK, "right"),
        (31, Level.WARN, "31 s fast"),
        (-299, Level.WARN, "299 s slow"),
        (300, Level.FAIL, "300 s fast"),
        (-86_400, Level.FAIL, "86400 s slow"),
    ],
)
def test_the_clock_is_compared(off_s: int, level: Level, word: str) -> None:
    """Half a minute is right, five minutes are what signed requests do not survive."""
    told = format_datetime(NOW - timedelta(seconds=off_s), usegmt=True)
    found = check_clock(told, NOW.timestamp())
    assert (found.level, word in found.message) == (level, True)


@pytest.mark.parametrize("told", [None, "", "yesterday"])
def test_a_clock_that_nobody_tells_is_not_compared(told: str | None) -> None:
    """No date, or one that is none, is a warning and no verdict."""
    assert check_clock(told, 0.0).level is Level.WARN


NEEDS = [Requirement("runpod", "runpod", ">=1.10.1,<1.12"), Requirement("vast", "vastai-sdk", ">=1.9,<2")]


@pytest.mark.parametrize(
    ("installed", "level", "word"),
    [
        ({}, Level.OK, "not installed: runpod, vast"),
        ({"runpod": "1.11.0", "vastai-sdk": "1.9.3"}, Level.OK, "runpod 1.11.0, vastai-sdk 1.9.3"),
        ({"runpod": "1.12.0"}, Level.FAIL, "needs >=1.10.1,<1.12"),
        ({"runpod": "1.9"}, Level.FAIL, "runpod 1.9 is installed"),
        ({"runpod": "1.12.1", "vastai-sdk": "1.9"}, Level.FAIL, "do not work together"),
    ],
)
def test_versions_that_do_not_go_together(installed: dict[str, str], level: Level, word: str) -> None:
    """Each extra's versions are those of pyproject.toml, and runpod 1.12 does not stand beside vastai-sdk."""
    found = check_extras(NEEDS, installed.get)
    assert {one.level for one in found} == {level}
    assert any(word in one.message for one in found)
    assert level is Level.OK or all("pip install" in (one.fix or "") for one in found)


@pytest.mark.parametrize(
    ("version", "bounds", "holds"),
    [
        ("1.10.1", ">=1.10.1,<1.12", True),
        ("1.12", ">=1.10.1,<1.12", False),
        ("1.12.0", "==1.12", True),
        ("2.0rc1", "<2", False),
        ("2.11.0+cu130", ">=2.4", True),
        ("1.6.3.post1", "<=1.6.3", True),
        ("3", ">2.9", True),
        ("9", "", True),
    ],
)
def test_bounds(version: str, bounds: str, *, holds: bool) -> None:
    """Versions compare by their numbers, without zeros at the end, and what follows the numbers does not count."""
    assert satisfies(version, bounds) is holds


def test_the_extras_are_those_of_the_package() -> None:
    """What the installed package says of its extras is read, in all spellings of a marker."""
    assert {"modal", "runpod", "vast", "gpu"} <= {need.extra for need in requirements()}
    lines = ["typer<0.29", "torch>=2.4; extra == 'gpu'", 'runpod<1.12,>=1.10.1 ; extra == "runpod"', "x; extra=='all'"]
    assert parse_requirements(lines) == [
        Requirement("gpu", "torch", ">=2.4"),
        Requirement("runpod", "runpod", "<1.12,>=1.10.1"),
    ]


def test_those_asked_side_by_side_answer_in_order(tmp_path: Path) -> None:
    """Answers and errors come back by name in the order asked; one that hangs is a TimeoutError at the deadline."""
    import threading

    forever = threading.Event()

    def fail() -> str:
        raise ValueError("no")

    asked: dict[str, Callable[[], object]] = {"late": forever.wait, "bad": fail, "good": tmp_path.exists}
    answers = ask_all(asked, deadline_s=0.2)
    forever.set()
    assert list(answers) == ["late", "bad", "good"]
    assert [type(answers["late"]), type(answers["bad"]), answers["good"]] == [TimeoutError, ValueError, True]
    assert json.dumps(str(answers["late"])) == '"no answer within 0.2 s"'
