"""`doctor` through the real CLI, against a Hub of the test's own; and its parts."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from tests.catalog.source import Source
from tests.cli.failures import PLUGINS, plugins
from tests.cli.process import Plexctl
from tests.cli.schemas import check

from plexctl.extras import Requirement, check_extras, parse_requirements, requirements, satisfies
from plexctl.flows.doctor import check_clock
from plexctl.model import Level
from plexctl.side_by_side import ask_all

TOKEN = "hf_canary0d0c7012"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def hub(source: Source) -> Source:
    """Give a Hub that knows one token and shows the model's page."""
    source.answers["/api/whoami-v2"] = (200, b'{"name": "somebody"}')
    source.answers["/api/models/nvidia/personaplex-7b-v1"] = (200, b"{}")
    return source


def findings(one: Plexctl, hub: Source, *argv: str, **env: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Return the exit code and the findings by check."""
    result = one("doctor", *argv, "--json", env={"HF_ENDPOINT": hub.url, **env})
    data = check(result.document) if result.rc == 0 else result.data
    assert TOKEN not in result.stdout + result.stderr
    return result.rc, {finding["check"]: finding for finding in data["findings"]}


def test_all_is_well(plexctl: Plexctl, hub: Source) -> None:
    """With a token that the Hub knows there is a finding for each check, none fails, and the exit code is 0."""
    code, found = findings(plexctl, hub, HF_TOKEN=TOKEN)
    assert code == 0
    assert list(found) == ["python", "extras", "container", "ssh", "hugging-face", "clock", "credentials-local"]
    assert (found["hugging-face"]["level"], found["clock"]["level"]) == ("ok", "ok")
    assert hub.asked[0][1]["authorization"] == f"Bearer {TOKEN}"
    assert not plexctl.home.exists()
    words = plexctl.ok("doctor", env={"HF_ENDPOINT": hub.url, "HF_TOKEN": TOKEN}).stdout
    assert "the Hub knows the token of HF_TOKEN" in words


def test_without_a_token_the_fix_is_named(plexctl: Plexctl, hub: Source) -> None:
    """No token is a warning: not every deployment needs the gated weights."""
    code, found = findings(plexctl, hub)
    assert (code, found["hugging-face"]["level"]) == (0, "warn")
    assert "https://huggingface.co/settings/tokens" in found["hugging-face"]["fix"]


@pytest.mark.parametrize(
    ("status", "words"), [(401, "refuses the token of HF_TOKEN"), (503, "the Hub fails: HTTP 503")]
)
def test_a_token_that_is_refused_fails(plexctl: Plexctl, hub: Source, status: int, words: str) -> None:
    """A Hub that refuses or fails is exit code 6, with the fix, and all other findings beside it."""
    hub.answers["/api/whoami-v2"] = (status, b"{}")
    code, found = findings(plexctl, hub, HF_TOKEN=TOKEN)
    assert (code, found["hugging-face"]["level"]) == (6, "fail")
    assert words in found["hugging-face"]["message"]
    assert found["hugging-face"]["fix"]
    assert found["python"]["level"] == "ok"


def test_a_hub_that_hangs_does_not_hold_it_up(plexctl: Plexctl, hub: Source) -> None:
    """Without an answer the finding says so within the deadline, and the others are there."""
    hub.hang = {"/api/models/nvidia/personaplex-7b-v1"}
    begun = time.monotonic()
    code, found = findings(plexctl, hub)
    assert time.monotonic() - begun < 12
    assert (code, found["hugging-face"]["level"], found["clock"]["level"]) == (6, "fail", "warn")
    assert found["ssh"]


def test_tools_that_are_missing_are_named(plexctl: Plexctl, hub: Source) -> None:
    """Without docker, podman and ssh on the path there are two warnings with what to install."""
    code, found = findings(plexctl, hub, PATH="/nonexistent")
    assert (code, found["container"]["level"], found["ssh"]["level"]) == (0, "warn", "warn")
    assert "docker or podman" in found["container"]["fix"]
    assert "openssh-client" in found["ssh"]["fix"]


def test_a_container_engine_that_does_not_answer(plexctl: Plexctl, hub: Source) -> None:
    """An engine that is installed and fails is told from one that is missing."""
    tools = plexctl.work / "bin"
    tools.mkdir()
    (tools / "docker").write_text("#!/bin/sh\nexit 1\n")
    (tools / "docker").chmod(0o755)
    _, found = findings(plexctl, hub, PATH=f"{tools}")
    assert "docker is installed and does not answer" in found["container"]["message"]
    (tools / "docker").write_text("#!/bin/sh\necho 27.1\n")
    _, found = findings(plexctl, hub, PATH=f"{tools}")
    assert (found["container"]["level"], found["container"]["message"]) == ("ok", "docker 27.1")


def test_other_peoples_adapters_check_their_credentials(plexctl: Plexctl, hub: Source) -> None:
    """An adapter's own `check_credentials` is called; one whose package is missing, or that breaks, is a finding."""
    plugins(plexctl)
    (plexctl.work / "empty_provider.py").write_text(
        "from plexctl.model import Finding, Level\n"
        "class Empty:\n    name = 'empty'\n    def __init__(self, context): pass\n"
        "    def check_credentials(self): return Finding('credentials-empty', Level.FAIL, 'refused', 'log in')\n"
    )
    code, found = findings(plexctl, hub, **PLUGINS)
    assert code == 6
    assert found["credentials-empty"]["fix"] == "log in"
    assert "no_such_package" in found["credentials-ghost"]["message"]
    assert found["credentials-broken"]["message"] == "credentials-broken: TypeError"


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
