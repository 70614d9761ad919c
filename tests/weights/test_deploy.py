"""The weights of a deployment, through the real CLI: its progress, and refusals that come after its own check."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest
from tests.cli.process import Plexctl
from tests.clouds.hub import Fault
from tests.weights.world import CANARY, MIB, REPO, WEIGHTS, World

ASKED_BY_GATEWAY = rf"GET /api/models/{REPO}(/revision/main)?$"
"""The licence check asks for the files' sizes too."""


def deploy(world: World, *argv: str) -> tuple[tuple[str, ...], Mapping[str, str]]:
    """Return the arguments and the environment that deploy the small PersonaPlex on this machine."""
    python = ("--engine", "personaplex", "--engine-python", str(world.python))
    variables = ("--env", "PLEXCTL_GPU_CHECK=0")
    environment = world.hub.environment | {"HF_TOKEN": CANARY, "HF_HOME": str(world.cache)}
    return ("deploy", "-p", "local", "--yes", *python, *variables, *argv), environment


def test_a_deploy_shows_the_download_and_hears_it_talk(world: World, plexctl: Plexctl) -> None:
    """Bytes, speed and time left are progress lines; then the deployment talks."""
    world.hub.fail_storage(Fault(WEIGHTS, bytes_per_s=2 * MIB))
    argv, environment = deploy(world)
    result = plexctl.ok(*argv, env=environment)
    lines = [line for line in result.stderr.splitlines() if "weights: " in line]
    assert [line for line in lines if " MB/s, " in line and " left (" in line], result.stderr
    assert "talking" in result.stdout + result.stderr
    assert CANARY not in result.stdout + result.stderr


def _gate(world: World) -> None:
    world.repository.access.clear()


def _token(world: World) -> None:
    world.hub.tokens.clear()


@pytest.mark.parametrize(
    ("change", "rc", "code", "words"),
    [(_gate, 5, "licence", "accept its licence"), (_token, 4, "credentials", "refused the token")],
)
def test_a_refusal_after_the_check_has_its_own_exit_code(
    world: World, plexctl: Plexctl, change: Callable[[World], None], rc: int, code: str, words: str
) -> None:
    """A gate or a token that closes between check and start ends the deploy at once, with its log, and nothing left."""
    world.hub.fail(Fault(ASKED_BY_GATEWAY, delay_s=1))
    argv, environment = deploy(world, "--json")
    with plexctl.begin(*argv, env=environment) as process:
        world.hub.wait_for(lambda: any(Fault(ASKED_BY_GATEWAY).strikes(seen.line) for seen in world.hub.requests))
        change(world)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == rc, stdout + stderr
    assert f'"code": "{code}"' in stdout
    assert words in stdout
    assert '"log"' in stdout
    assert "nothing of it is left" in stdout
    assert CANARY not in stdout + stderr
