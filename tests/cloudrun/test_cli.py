"""The CLI against the loopback Google and Hub: from nothing to talking, through every command, to nothing."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.inside import Here
from tests.cli.process import Plexctl
from tests.clouds.google import Fault, Google, RefusedError
from tests.clouds.hub import Hub, personaplex

TOKEN = "canary-token-of-the-cli"
HUB_TOKEN = "hf_canary_of_the_cli"
DEPLOY = ("deploy", "--provider", "cloudrun", "--yes", "--json")
ECHO = (*DEPLOY, "--engine", "echo", "--no-probe")


@pytest.fixture
def google() -> Iterator[Google]:
    """Give a project whose revisions start their first instance, as Google's do."""
    with Google() as one:
        yield one


@pytest.fixture
def user(tmp_path: Path) -> Plexctl:
    """Give the CLI in a clean environment."""
    one = Plexctl(tmp_path)
    one.work.mkdir()
    return one


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Give the CLI in this process."""
    one = Here(tmp_path, monkeypatch, capsys)
    one.work.mkdir()
    return one


def environment(google: Google, **more: str) -> dict[str, str]:
    """Return the variables with which the CLI works at the loopback."""
    return {**google.environment, "PLEXCTL_TOKEN": TOKEN, "NO_GCE_CHECK": "true", **more}


def test_from_nothing_to_talking_and_to_nothing(here: Here, google: Google) -> None:
    """Every command once; after destroy what it says is kept, and after destroy --all nothing."""
    with Hub() as hub:
        personaplex(hub, access={"ann": "granted"})
        hub.add_token(HUB_TOKEN)
        env = environment(google, HF_TOKEN=HUB_TOKEN, **hub.environment)
        done = Plexctl(here.root).ok(*DEPLOY, "--engine", "personaplex", env=env).data
        assert done["probe"]["verdict"] == "talking"
        (service,) = google.books.services.values()
        label = service.label
        google.books.counted[label] = 1

        assert here.ok("status", "--json", env=env).data["deployments"][0]["state"] == "ready"
        assert "is ready" in here.ok("logs", "--tail", "50", env=env).stdout
        before = list(google.mutations)
        assert here.ok(*DEPLOY, "--engine", "personaplex", "--no-probe", env=env).data["changed"] is False
        assert google.mutations == before

        with here.begin("logs", "-f", env=env) as following:
            lines: list[str] = []
            assert following.stdout is not None
            reader = threading.Thread(target=lines.extend, args=(following.stdout,))
            lines.append(following.stdout.readline())
            reader.start()
            assert "verdict: talking" in here.ok("probe", "--seconds", "1s", env=env).stdout
            here.ok("stop", env=env)
            reader.join(60)
            assert following.wait(60) == 0
        assert any("conversation 2 begins" in line for line in lines)
        assert any("gateway stopped" in line for line in lines)
        assert (google.run.instances, service.is_stopped) == ({}, True)

        here.ok("start", env=env)
        assert not service.is_stopped
        here.ok("scale", "--min", "1", "--yes", env=env)
        assert service.body["scaling"]["minInstanceCount"] == 1
        (here.work / "plexctl.toml").write_text('[gateway]\ntext_prompt = "Be brief."\n', encoding="utf-8")
        before = list(google.mutations)
        assert here.ok(*DEPLOY, "--engine", "personaplex", "--no-probe", env=env).data["changed"] is True
        assert google.mutations[len(before) :] == [f"update service {label}"]

        kept = here.ok("destroy", "--yes", "--json", env=env).data["kept"]
        assert {one["kind"] for one in kept} == {"image", "secret", "repository"}
        books = google.books
        assert not any((books.services, books.buckets, google.run.instances))
        here.ok("destroy", "personaplex", "--all", "--yes", env=env)
    assert not any((books.secrets, books.tags, books.repositories, books.policies))
    everything = b"".join(path.read_bytes() for path in here.root.rglob("*") if path.is_file())
    assert TOKEN.encode() not in everything
    assert HUB_TOKEN.encode() not in everything


def test_a_fault_leaves_nothing(here: Here, google: Google) -> None:
    """Quota of GPUs, told after the create: exit 6, in words, and the service is gone again."""
    google.run.failure = {"message": "Quota exceeded for total allowable count of GPUs per project per region."}
    refused = here(*ECHO, env=environment(google))
    assert refused.rc == 6
    assert "GPUs" in refused.document["error"]["message"]
    assert not any((google.books.services, google.books.buckets))


def test_a_failed_build_leaves_nothing_that_runs(here: Here, google: Google) -> None:
    """Exit 8, with the build's last lines in the document."""
    google.build_failure = {"detail": "a step failed", "lines": ["ERROR: the last line"]}
    refused = here(*ECHO, env=environment(google))
    assert refused.rc == 8
    assert refused.data["log"] == ["ERROR: the last line"]
    assert not any((google.books.services, google.books.buckets))


def test_a_container_that_fails_is_exit_9_with_its_log(here: Here, google: Google) -> None:
    """What the container said is in the document; nothing of it is left."""
    env = environment(google)
    (here.work / "plexctl.toml").write_text('[env]\nPLEXCTL_HEARTBEAT_S = "never"\n', encoding="utf-8")
    refused = here(*ECHO, env=env)
    assert refused.rc == 9
    assert any("PLEXCTL_HEARTBEAT_S" in line for line in refused.data["log"])
    assert not google.books.services


def test_no_credentials_is_exit_4(here: Here) -> None:
    """With the command that makes some; Google is not asked anything."""
    refused = here(*ECHO, env={"PLEXCTL_TOKEN": TOKEN, "NO_GCE_CHECK": "true", "GOOGLE_CLOUD_PROJECT": "p-12345"})
    assert refused.rc == 4
    assert "gcloud auth application-default login" in refused.document["error"]["hint"]


def test_a_bad_token_is_exit_4(here: Here, google: Google) -> None:
    """Google refused who we are."""
    google.fail(Fault("*", refusal=RefusedError(401, "Request had invalid authentication credentials.")))
    refused = here(*ECHO, env=environment(google))
    assert refused.rc == 4
    assert "gcloud auth application-default login" in refused.document["error"]["hint"]


def test_a_wrong_project_is_exit_3(here: Here, google: Google) -> None:
    """With the command that shows the right ones."""
    refused = here(*ECHO, env=environment(google, GOOGLE_CLOUD_PROJECT="no-such-project"))
    assert refused.rc == 3
    assert "gcloud projects list" in refused.document["error"]["hint"]


@pytest.mark.parametrize("package", ["google.auth", "google.cloud.run_v2"])
def test_a_missing_extra_is_exit_12(user: Plexctl, google: Google, tmp_path: Path, package: str) -> None:
    """With the command that installs it."""
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(
        f"import sys\nsys.modules[{package!r}] = None\n",
        encoding="utf-8",
    )
    refused = user(*ECHO, env=environment(google, PYTHONPATH=f"{tmp_path / 'hidden'}"))
    assert refused.rc == 12
    assert refused.document["error"]["hint"] == "pip install 'plexctl[cloudrun]'"


def test_no_other_providers_sdk_is_imported(user: Plexctl, google: Google) -> None:
    """A deploy to Cloud Run loads nothing of the others; gRPC comes with Google's client, and is not spoken."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "plexctl", *ECHO],
        env=user.environment(environment(google)),
        cwd=user.work,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "requests" in loaded
    assert not loaded & {
        "modal",
        "runpod",
        "vastai",
        "vastai_sdk",
        "paramiko",
        "ovh",
        "docker",
        "grpclib",
        "torch",
    }


def test_what_a_destroy_kept_is_used_again_and_moves_along(here: Here, google: Google) -> None:
    """destroy, deploy: the image is not built again. In another region it is, and the one before is not left behind."""
    env = environment(google)
    here.ok(*ECHO, env=env)
    here.ok("destroy", "--yes", env=env)
    before = len(google.mutations)
    here.ok(*ECHO, env=env)
    again = google.mutations[before:]
    assert not any(one.startswith(("build", "create secret")) for one in again)
    here.ok(*ECHO, "--region", "europe-west4", env=env)
    assert {name.split("/")[3] for name in google.books.tags} == {"europe-west4"}
    assert {name.split("/")[3] for name in google.books.services} == {"europe-west4"}
    here.ok("destroy", "personaplex", "--all", "--yes", env=env)
    assert not any((google.books.secrets, google.books.tags, google.books.repositories, google.books.buckets))
