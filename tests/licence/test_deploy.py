"""The licence check as the first check of a deploy: a refusal comes before anything is made or looked for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.process import Plexctl, Result, environ_of
from tests.clouds.hub import Fault, Hub
from tests.licence.world import CANARY, PAGE, SMALL, token

DEPLOY = ("deploy", "-p", "local", "--no-probe", "--engine", "personaplex")
WITH_PYTHON = (*DEPLOY, "--engine-python", sys.executable)
SOURCES: dict[str, Callable[[Path], tuple[tuple[str, ...], dict[str, str]]]] = {
    "HF_TOKEN": lambda _: ((), {"HF_TOKEN": token("ann")}),
    "HUGGING_FACE_HUB_TOKEN": lambda _: ((), {"HUGGING_FACE_HUB_TOKEN": token("ann")}),
    "HUGGINGFACE_API_KEY": lambda _: ((), {"HUGGINGFACE_API_KEY": token("ann")}),
    "--hf-token-file": lambda work: (("--hf-token-file", str(written(work / "t", token("ann")))), {}),
    ".env: HF_TOKEN": lambda work: (("--env-file", written(work / ".env", f"HF_TOKEN={token('ann')}").name), {}),
    "--secret HF_TOKEN": lambda work: (("--secret", f"HF_TOKEN=@{written(work / 't', token('ann'))}"), {}),
    "stored login": lambda work: ((), {"HF_HOME": str(written(work / "hf" / "token", token("ann")).parent)}),
}


def written(path: Path, text: str) -> Path:
    """Write a file; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def deploy(cli: Plexctl, hub: Hub, *argv: str, **env: str) -> Result:
    """Deploy with the Hub around; assert that no output names a token."""
    result = cli(*argv, "--json", env=hub.environment | env)
    assert CANARY not in result.stdout + result.stderr
    return result


@pytest.mark.parametrize(
    ("who", "code", "exit_code"),
    [("bob", "licence_not_accepted", 5), ("pat", "licence_awaiting_review", 5), ("nobody", "token_invalid", 4)],
)
def test_a_refusal_comes_before_everything(who: str, code: str, exit_code: int, hub: Hub, plexctl: Plexctl) -> None:
    """Without a licence nothing is made, and the refusal comes before what else is wrong, such as a missing Python."""
    result = deploy(plexctl, hub, *DEPLOY, HF_TOKEN=token(who))
    error = result.document["error"]
    assert (result.rc, error["code"], result.document["data"]["state"]) == (exit_code, code, code)
    assert who == "nobody" or PAGE in error["hint"] or "settings/gated-repos" in error["hint"]
    assert not (plexctl.home / "local").exists()
    assert plexctl.processes() == []


def test_no_token_and_no_network_are_told_apart(hub: Hub, plexctl: Plexctl) -> None:
    """A deploy without a token ends with the credentials' code, one without a network with the network's."""
    assert deploy(plexctl, hub, *WITH_PYTHON).document["error"]["code"] == "no_token"
    offline = deploy(plexctl, hub, *WITH_PYTHON, HF_ENDPOINT="http://127.0.0.1:1", HF_TOKEN=token("ann"))
    assert (offline.rc, offline.document["error"]["code"]) == (8, "hub_unreachable")


def test_the_model_and_revision_of_the_spec_are_asked_for(hub: Hub, plexctl: Plexctl) -> None:
    """`--model` and `--revision` are what is checked; a revision that is none is refused before anything is sent."""
    other = ("--model", "kyutai/personaplex-rl-seamless", "--dry-run")
    result = deploy(plexctl, hub, *WITH_PYTHON, *other, HF_TOKEN=token("ann"))
    assert [found["check"] for found in result.data["findings"][:2]] == ["licence", "licence-terms"]
    mian = deploy(plexctl, hub, *WITH_PYTHON, "--revision", "mian", HF_TOKEN=token("ann"))
    assert mian.document["error"]["code"] == "revision_not_found"
    seen = len(hub.requests)
    bad = deploy(plexctl, hub, *WITH_PYTHON, "--revision", "a" * 41, HF_TOKEN=token("ann"))
    assert (bad.rc, "41 hexadecimal digits" in bad.document["error"]["message"]) == (2, True)
    assert len(hub.requests) == seen


def test_a_gpu_chooses_personaplex_and_its_check(hub: Hub, plexctl: Plexctl) -> None:
    """With no engine named, a machine with a GPU runs PersonaPlex, and its licence is checked; one without is not."""
    plain = ("deploy", "-p", "local", "--no-probe", "--dry-run")
    without = deploy(plexctl, hub, *plain, PATH="/nowhere")
    assert [found["check"] for found in without.data["findings"]] == ["engine"]
    assert hub.requests == []
    smi = written(plexctl.work / "bin" / "nvidia-smi", "#!/bin/sh\necho NVIDIA L40S\n")
    smi.chmod(0o755)
    refused = deploy(plexctl, hub, *plain, PATH=f"{smi.parent}:/usr/bin:/bin", HF_TOKEN=token("bob"))
    assert refused.document["error"]["code"] == "licence_not_accepted"


def test_echo_asks_nobody(hub: Hub, plexctl: Plexctl) -> None:
    """The echo engine has no weights: the Hub is not asked, whatever token is set."""
    deploy(plexctl, hub, "deploy", "-p", "local", "--engine", "echo", "--dry-run", HF_TOKEN=token("nobody"))
    assert hub.requests == []


@pytest.mark.parametrize(
    ("argv", "env", "level"),
    [
        ((), {"HF_HUB_OFFLINE": "1"}, "warn"),
        (("--env", "HF_HUB_OFFLINE=1"), {}, "warn"),
        (("--env", "PLEXCTL_ENGINE_SCRIPT=/x.py"), {}, "ok"),
    ],
)
def test_what_is_not_checked_is_said(
    argv: tuple[str, ...], env: dict[str, str], level: str, hub: Hub, plexctl: Plexctl
) -> None:
    """Offline, or with a server that is not NVIDIA's, the licence is not checked, and a finding says so first."""
    result = deploy(plexctl, hub, *WITH_PYTHON, *argv, "--dry-run", **env)
    first = result.data["findings"][0]
    assert (first["check"], first["level"], first["message"].startswith("not checked: ")) == ("licence", level, True)
    assert hub.requests == []


@pytest.mark.parametrize("source", SOURCES)
def test_the_granted_token_reaches_the_server(source: str, hub: Hub, plexctl: Plexctl) -> None:
    """Wherever the token was found, the finding names the place, and the server gets it as HF_TOKEN."""
    argv, env = SOURCES[source](plexctl.work)
    seen = plexctl.work / "seen"
    server = written(plexctl.work / "python", f'#!/bin/sh\nprintf %s "$HF_TOKEN" > {seen}\nexit 3\n')
    server.chmod(0o755)
    common = (*DEPLOY, "--model", SMALL, "--engine-python", str(server), "--timeout", "30s", *argv)
    planned = deploy(plexctl, hub, *common, "--dry-run", **env)
    first = planned.data["findings"][0]
    assert (first["level"], first["message"].endswith(f"(token of ann, from {source})")) == ("ok", True), first
    failed = deploy(plexctl, hub, *common, **env)
    assert (failed.rc, failed.document["error"]["code"]) == (9, "unhealthy")
    assert seen.read_text() == token("ann")


def test_a_start_finds_the_token_where_a_deploy_does(hub: Hub, plexctl: Plexctl) -> None:
    """What was deployed with a token comes back with one from any of the places, and says so when there is none."""
    echo = ("deploy", "-p", "local", "--no-probe", "--engine", "echo", "--secret", "HF_TOKEN")
    assert deploy(plexctl, hub, *echo, HF_TOKEN=token("ann")).rc == 0
    plexctl.ok("stop")
    missing = plexctl("start", "--json")
    assert (missing.rc, "HF_TOKEN is not set" in missing.document["error"]["message"]) == (3, True)
    login = written(plexctl.work / "hf" / "token", token("ann")).parent
    assert plexctl("start", "--json", env={"HF_HOME": str(login)}).rc == 0
    mark = f"HF_TOKEN={token('ann')}".encode()
    assert any(mark in environ_of(pid).split(b"\0") for pid in plexctl.processes())


def test_a_hub_that_fails_is_not_a_licence_that_is_missing(hub: Hub, plexctl: Plexctl) -> None:
    """A deploy during an outage of the Hub ends with the provider's exit code and says where its state is shown."""
    hub.fail(Fault("", 502))
    result = deploy(plexctl, hub, *WITH_PYTHON, HF_TOKEN=token("ann"))
    assert (result.rc, result.document["error"]["code"]) == (8, "hub_failing")
    assert "status.huggingface.co" in result.document["error"]["hint"]
