"""Somebody else's client, `lai` of the package lambda-ai-cloud-api-client, works against the loopback Lambda."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.clouds.lambda_cloud.server import Lambda
from tests.machines.client import Person

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
PACKAGE = "lambda-ai-cloud-api-client==2.4.1"


@pytest.fixture(scope="session")
def lai(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install their client into an environment of its own; return the program."""
    folder = tmp_path_factory.mktemp("lai") / "environment"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", PACKAGE]
    done = subprocess.run(pip, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"{PACKAGE} cannot be installed here: {done.stderr.strip()[-200:]}")
    return folder / "bin" / "lai"


@pytest.fixture
def cloud() -> Iterator[Lambda]:
    """Give a cloud that is patient: their client does not keep to a request a second."""
    with Lambda() as one:
        one.is_strict = False
        yield one


@pytest.mark.slow
def test_their_client_works_here(lai: Path, cloud: Lambda, tmp_path: Path) -> None:
    """It lists types, images and keys, launches an instance with a key, sees it by name, and terminates it."""
    key = Person.new(tmp_path / "person").public_key
    cloud.keys["1"] = {"id": "1" * 32, "name": "mine", "public_key": key}

    def run(*argv: str) -> str:
        variables = {"LAMBDA_CLOUD_BASE_URL": cloud.url, "LAMBDA_CLOUD_TOKEN": cloud.key, "COLUMNS": "200"}
        done = subprocess.run(
            [str(lai), *argv], env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{argv}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def read(*argv: str) -> Any:
        return json.loads(run(*argv, "--json"))

    assert "gpu_1x_a10" in run("types", "--available")
    assert "gpu_1x_a6000" not in run("types", "--available")
    assert "lambda-stack-24-04" in run("images")
    assert "mine" in run("keys")
    launch = ("--instance-type", "gpu_1x_a10", "--region", "us-west-1", "--ssh-key", "mine", "--tag", "who=me")
    assert read("start", *launch, "--name", "theirs", "--image-family", "lambda-stack-24-04")
    (instance,) = cloud.living()
    assert (instance.name, instance.body["region_name"]) == ("theirs", "us-west-1")
    assert "theirs" in run("ls")
    assert instance.id in run("get", "theirs")
    assert "terminat" in run("stop", "theirs")
    assert cloud.mutations[-1] == "terminate instance theirs"
