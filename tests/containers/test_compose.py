"""compose.yaml under docker-compose itself: read as meant, and up, talking and down on Podman's socket."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.cli.process import Plexctl
from tests.containers.image import TOKEN, hear_it_talk, render, wait_for
from tests.containers.rig import Podman
from tests.real.rig import free_port


@pytest.fixture(scope="session")
def compose() -> str:
    """Return docker-compose."""
    found = shutil.which("docker-compose")
    if found is None:
        pytest.skip("docker-compose is not installed")
    return found


def run(*argv: str, folder: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run docker-compose in a folder, with nothing of the caller's environment but the path and the certificates."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(argv, cwd=folder, env=kept | env, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("engine", ["echo", "personaplex"])
def test_compose_reads_it(compose: str, plexctl: Plexctl, engine: str) -> None:
    """It is valid, and without a secret it is refused by the secret's name."""
    folder = render(plexctl, engine=engine)
    secrets = {"PLEXCTL_TOKEN": TOKEN} | ({"HF_TOKEN": TOKEN} if engine == "personaplex" else {})
    done = run(compose, "config", "--quiet", folder=folder, env=secrets)
    assert done.returncode == 0, done.stderr
    for name in secrets:
        without = {key: value for key, value in secrets.items() if key != name}
        refused = run(compose, "config", "--quiet", folder=folder, env=without)
        assert refused.returncode != 0
        assert f"set {name} in your environment" in refused.stderr


@pytest.mark.usefixtures("echo_image")
def test_compose_up_talks_and_down_leaves_nothing(
    compose: str, podman: Podman, docker_host: str, base_image: str, plexctl: Plexctl
) -> None:
    """`up --build` makes an image of the files beside it, the endpoint talks, and `down` removes what was made."""
    port = free_port()
    config = f'[image]\nbase = "{base_image}"\n[gateway]\nport = {port}\n'
    (plexctl.work / "plexctl.toml").write_text(config)
    folder = render(plexctl, engine="echo")
    env = {"DOCKER_HOST": docker_host, "DOCKER_BUILDKIT": "0", "PLEXCTL_TOKEN": TOKEN}
    up = run(compose, "up", "--build", "--detach", folder=folder, env=env)
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        [name] = podman("ps", "--format", "{{.Names}}").split()
        wait_for(lambda: podman.run("healthcheck", "run", name).returncode == 0, "healthy")
        hear_it_talk(plexctl, f"http://127.0.0.1:{port}")
        assert json.loads(podman("inspect", name))[0]["HostConfig"]["ReadonlyRootfs"] is True
    finally:
        down = run(compose, "down", folder=folder, env=env)
    assert down.returncode == 0, down.stderr
