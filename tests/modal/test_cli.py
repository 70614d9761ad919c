"""`plexctl` itself against the loopback Modal and the loopback Hub, from nothing to talking and back to nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.cli.process import Plexctl
from tests.clouds.hub import Hub, personaplex
from tests.clouds.modal import Modal

TOKEN = "an-access-token-7f3a91c2"
HUB_TOKEN = "hf_ann"
AUTHOR = "Ann Canary-5d21"


@pytest.fixture
def surroundings(cloud: Modal) -> Iterator[dict[str, str]]:
    """Give the variables of somebody with both accounts."""
    with Hub() as hub:
        personaplex(hub, access={"ann": "granted"})
        hub.add_token(HUB_TOKEN, role="read")
        yield {
            **cloud.environment_variables,
            **hub.environment,
            "PLEXCTL_TOKEN": TOKEN,
            "HF_TOKEN": HUB_TOKEN,
        }


ECHO = ("deploy", "--provider", "modal", "--engine", "echo", "--yes", "--json")
OTHERS = {"google.auth", "google.cloud", "runpod", "vastai", "vastai_sdk", "paramiko", "ovh", "docker", "torch"}


def commit_something(plexctl: Plexctl) -> None:
    """Make the working directory a git repository with a commit and an author."""
    named = ("-c", f"user.name={AUTHOR}", "-c", "user.email=ann@canary.example")
    for command in (("init", "-q"), (*named, "commit", "-q", "--allow-empty", "-m", "first")):
        subprocess.run(["git", *command], cwd=plexctl.work, check=True, env=plexctl.environment())


def test_from_nothing_to_talking_and_back(plexctl: Plexctl, cloud: Modal, surroundings: dict[str, str]) -> None:
    """Deploy with the model, look at it, follow it, stop, start, destroy: at the end only what was said to be kept."""
    commit_something(plexctl)

    def run(*argv: str) -> dict[str, Any]:
        return plexctl.ok(*argv, "--json", env=surroundings).data

    deployed = run("deploy", "--provider", "modal", "--yes")
    assert deployed["changed"] is True
    assert deployed["probe"]["verdict"] == "talking", deployed["probe"]
    name = str(deployed["deployment"]["name"])
    changes = len(cloud.changed)
    assert run("deploy", "--provider", "modal", "--yes", "--no-probe")["changed"] is False
    assert len(cloud.changed) == changes
    (seen,) = run("status", name)["deployments"]
    assert seen["state"] == "ready"
    logged = plexctl.ok("logs", name, "--tail", "50", env=surroundings).stdout
    assert "is ready" in logged
    assert run("probe", name)["verdict"] == "talking"
    with plexctl.begin("logs", name, "--follow", env=surroundings) as following:
        assert following.stdout is not None
        assert following.stdout.readline()
        run("stop", name)
        assert "stopped" in following.stdout.read()
        assert following.wait(30) == 0
    assert not [app for app in cloud.apps.values() if app.is_alive]
    assert run("start", name)["changed"] is True
    kept = run("destroy", name, "--yes")["kept"]
    assert [one["name"] for one in kept] == ["plexctl-weights"]
    assert not [app for app in cloud.apps.values() if app.is_alive]
    assert not [secret for secret in cloud.secrets.values() if secret.name]
    assert [volume.name for volume in cloud.volumes.values()] == ["plexctl-weights"]
    _nothing_of_the_users_was_sent(cloud)


def test_a_deploy_imports_no_other_providers_client(
    plexctl: Plexctl, cloud: Modal, surroundings: dict[str, str]
) -> None:
    """By what Python itself tells of its imports."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "plexctl", *ECHO, "--no-probe"],
        env=plexctl.environment(surroundings),
        cwd=plexctl.work,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "modal" in loaded
    assert not {name for name in loaded for other in OTHERS if f"{name}.".startswith(f"{other}.")}
    assert len([app for app in cloud.apps.values() if app.is_alive]) == 1


def test_nobody_is_exit_4(plexctl: Plexctl, cloud: Modal, surroundings: dict[str, str]) -> None:
    """With the variables that say who we are, and nothing made."""
    env = {name: value for name, value in surroundings.items() if not name.startswith("MODAL_TOKEN")}
    refused = plexctl(*ECHO, env=env)
    assert refused.rc == 4
    assert refused.document["error"]["hint"] == "set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET"
    assert cloud.changed == []


def test_a_missing_extra_is_exit_12(plexctl: Plexctl, surroundings: dict[str, str], tmp_path: Path) -> None:
    """With the command that installs it."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['modal'] = None\n", encoding="utf-8")
    refused = plexctl(*ECHO, env={**surroundings, "PYTHONPATH": f"{tmp_path}"})
    assert refused.rc == 12
    assert refused.document["error"]["hint"] == "pip install 'plexctl[modal]'"


def _nothing_of_the_users_was_sent(cloud: Modal) -> None:
    """Secrets went in the secrets' calls alone; no file and no author went at all."""
    for call in cloud.requests:
        sent = call.request.SerializeToString()
        assert call.method in ("SecretGetOrCreate", "SecretUpdate") or TOKEN.encode() not in sent, call.method
        assert call.method in ("SecretGetOrCreate", "SecretUpdate") or HUB_TOKEN.encode() not in sent, call.method
        assert AUTHOR.encode() not in sent
        assert call.method != "MountPutFile"
        with suppress(AttributeError):
            assert not call.request.commit_info.commit_hash
