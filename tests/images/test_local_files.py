"""Compose and the process's command line: what they start is what a deploy starts."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.images.rig import GPU, NO_GPU, PLAIN, TRICKY, local_files, run, write

from plexctl.images import context_files, profile_of
from plexctl.model import Offer
from plexctl.spec import Gateway, Spec
from plexctl_providers._common.settings import choose_engine, remote_settings, secret_names
from plexctl_providers.local import container_requests
from plexctl_providers.local.requests import build_environment

EVERY = pytest.mark.parametrize(
    ("spec", "offer"),
    [(PLAIN, NO_GPU), (PLAIN, GPU), (TRICKY, GPU)],
    ids=["echo", "personaplex", "tricky"],
)
# Secrets, and what only the caller can know: taken from his environment.
PASSED = {"HF_TOKEN", "PLEXCTL_EXPIRES_AT", "PLEXCTL_TOKEN", "SPARE_KEY"}


def service_of(files: dict[str, str]) -> dict[str, Any]:
    """Return the one service of compose.yaml."""
    services: dict[str, Any] = yaml.safe_load(files["compose.yaml"])["services"]
    assert list(services) == ["personaplex"]
    service: dict[str, Any] = services["personaplex"]
    return service


def environment_of(files: dict[str, str]) -> dict[str, str]:
    """Return what the container gets, by the rules of Compose: `$$` is a dollar, the env file stands behind."""
    stated = service_of(files)["environment"]
    lines = [line.partition("=") for line in files["plexctl.env"].splitlines()]
    values = {name: str(value).replace("$$", "$") for name, value in stated.items() if name not in PASSED}
    return {name: value for name, _, value in lines} | values


@EVERY
def test_compose_gives_the_settings_that_a_deploy_gives(spec: Spec, offer: Offer) -> None:
    """Every setting arrives letter by letter; secrets are named, demanded of the caller and written nowhere."""
    files, engine = local_files(spec, offer), choose_engine(spec, offer)
    wanted = {name: value for name, value in remote_settings(spec, engine).items() if name not in PASSED}
    assert environment_of(files) == wanted
    passed = {name: value for name, value in service_of(files)["environment"].items() if name in PASSED}
    expected = {*secret_names(spec, engine), *(["PLEXCTL_EXPIRES_AT"] if spec.limits.ttl_s else [])}
    assert passed == {name: f"${{{name}:?set {name} in your environment}}" for name in expected}


@EVERY
def test_compose_keeps_the_container_in_as_a_deploy_does(spec: Spec, offer: Offer) -> None:
    """Port, cache, GPU, rights, what can be written and the grace are those of the container that a deploy creates."""
    body = container_requests.container_of(container_requests.build_plan(spec, offer)).body
    host: dict[str, Any] = body["HostConfig"]  # type: ignore[assignment]
    service = service_of(local_files(spec, offer))
    assert service["ports"] == [f"127.0.0.1:{spec.gateway.port or 8998}:8998"]
    assert service["read_only"] is host["ReadonlyRootfs"] is True
    assert service["tmpfs"] == [f"{path}:{options}" for path, options in host["Tmpfs"].items()]
    assert service["cap_drop"] == host["CapDrop"]
    assert service["security_opt"] == host["SecurityOpt"]
    assert service["stop_grace_period"] == f"{body['StopTimeout']}s"
    assert ("volumes" in service) is ("deploy" in service) is ("DeviceRequests" in host)


def test_compose_reserves_the_gpu_and_keeps_the_weights() -> None:
    """All GPUs go to the container, and the cache is a volume with the name that deploys use too."""
    files = local_files(PLAIN, GPU)
    service, document = service_of(files), yaml.safe_load(files["compose.yaml"])
    devices = service["deploy"]["resources"]["reservations"]["devices"]
    assert devices == [{"driver": "nvidia", "count": "all", "capabilities": ["gpu"]}]
    assert service["volumes"] == ["weights:/cache"]
    assert document["volumes"] == {"weights": {"name": container_requests.WEIGHTS}}


@EVERY
def test_the_image_is_built_from_the_files_beside_it(spec: Spec, offer: Offer) -> None:
    """The context under image/ is the one that an image is built from, of the profile that engine and GPU need."""
    files = local_files(spec, offer)
    profile = profile_of(spec, offer.gpu, engine=choose_engine(spec, offer))
    inside = {path.removeprefix("image/"): text for path, text in files.items() if path.startswith("image/")}
    assert inside == context_files(spec, profile)
    assert service_of(files)["build"] == "./image"


@settings(deadline=None, max_examples=50)
@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40))
def test_any_prompt_survives_compose(prompt: str) -> None:
    """No prompt breaks the file, loses a letter, or is taken for a variable."""
    files = local_files(Spec(engine="echo", gateway=Gateway(text_prompt=prompt)), NO_GPU)
    assert environment_of(files)["PLEXCTL_TEXT_PROMPT"] == prompt


SHOW = '#!/bin/sh\necho "$@"\nexec env -0\n'


@EVERY
def test_run_sh_starts_the_process_that_a_deploy_starts(spec: Spec, offer: Offer, tmp_path: Path) -> None:
    """The gateway's module, with every setting letter by letter, on the port asked for."""
    write(local_files(spec, offer) | {"python.sh": SHOW}, tmp_path)
    env = {"PATH": os.environ["PATH"], "PYTHON": str(tmp_path / "python.sh"), "HF_TOKEN": "h", "SPARE_KEY": "s"}
    done = run(tmp_path / "run.sh", env=env)
    assert done.returncode == 0, done.stderr
    argv, _, shown = done.stdout.partition("\n")
    found = dict(entry.split("=", 1) for entry in shown.split("\0") if entry)
    assert argv == "-m plexctl.gateway"
    assert {name: found[name] for name in build_environment(spec, offer)} == build_environment(spec, offer)
    assert found["PLEXCTL_PORT"] == str(spec.gateway.port or 8998)
    assert ("PLEXCTL_EXPIRES_AT" in found) is (spec.limits.ttl_s is not None)


def test_run_sh_asks_for_its_secrets(tmp_path: Path) -> None:
    """Without a secret that the spec names it does not start, and says which one it lacks."""
    write(local_files(TRICKY, GPU), tmp_path)
    done = run(tmp_path / "run.sh", env={"PATH": os.environ["PATH"], "HF_TOKEN": "h"})
    assert done.returncode != 0
    assert "SPARE_KEY: set SPARE_KEY in the environment" in done.stderr
