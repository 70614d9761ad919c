"""The echo profile's image, unmodified: built, run as anybody, talked to, asked for its health, and ended."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.process import Plexctl
from tests.containers.image import TOKEN, hear_it_talk, running, wait_for
from tests.containers.rig import Podman

from plexctl import __version__
from plexctl.images import CACHE, ENTRYPOINT, GATEWAY_PYTHON, HF_HOME, PROFILES, context_files, layout
from plexctl.spec import Spec

READ_ONLY = ("--read-only", "--tmpfs=/tmp")
USERS = pytest.mark.parametrize("user", ["0:0", "1000:1000", "42420:42420"], ids=["root", "1000", "OVHcloud's 42420"])
_GRACE_S = 25


@pytest.fixture
def weights(podman: Podman) -> Iterator[str]:
    """Give the argument that mounts a new volume where the weights go; it is removed afterwards."""
    podman("volume", "create", "weights")
    yield f"--volume=weights:{CACHE}"
    podman("volume", "rm", "weights")


@USERS
def test_it_talks_as_anybody_with_a_read_only_root(
    podman: Podman, echo_image: str, plexctl: Plexctl, weights: str, user: str
) -> None:
    """Root and users without a name run it with nothing to write but the cache and /tmp, and hear their own voice."""
    with running(podman, echo_image, "--user", user, *READ_ONLY, weights) as container:
        wait_for(container.check, "healthy")
        hear_it_talk(plexctl, container.url)
        podman("exec", container.name, "sh", "-c", f"mkdir {HF_HOME} && touch {HF_HOME}/weights $HOME/mine")
        assert podman.run("exec", container.name, "touch", f"{ENTRYPOINT}.new").returncode != 0


def test_it_talks_as_it_is(podman: Podman, echo_image: str, plexctl: Plexctl) -> None:
    """Run with its token alone it is user 1000, writes no line of its log late, and talks."""
    with running(podman, echo_image) as container:
        wait_for(container.check, "healthy")
        assert "gateway engine-0 is ready" in container.log()
        assert podman("exec", container.name, "id", "-u") == "1000"
        hear_it_talk(plexctl, container.url)


def test_healthy_means_200(podman: Podman, echo_image: str) -> None:
    """The health check fails while /health says 503, and passes once it says 200: never before."""
    seen = set[tuple[int | None, bool]]()
    with running(podman, echo_image, "--env", "PLEXCTL_ECHO_LOAD_S=3") as container:

        def has_come_up() -> bool:
            before, is_healthy, after = container.health(), container.check(), container.health()
            if before == after:
                seen.add((after, is_healthy))
            return is_healthy

        assert container.state["Health"]["Status"] == "starting"
        wait_for(has_come_up, "healthy")
        assert has_come_up()
        assert container.state["Health"]["Status"] == "healthy"
    assert {(503, False), (200, True)} <= seen <= {(None, False), (503, False), (200, True)}


def test_an_engine_that_fails_is_never_healthy(podman: Podman, echo_image: str) -> None:
    """A gateway whose engine cannot start answers /health with 503, and the check says why."""
    with running(podman, echo_image, "--env", "PLEXCTL_ECHO_FAULT=oom") as container:
        wait_for(lambda: "failed" in last_words(podman, container.name), "failed")
        assert container.health() == 503
        assert not container.check()
        assert "the GPU's memory" in last_words(podman, container.name) or "memory" in last_words(
            podman, container.name
        )


def last_words(podman: Podman, name: str) -> str:
    """Run the health check by hand; return what it printed."""
    return podman.run("exec", name, GATEWAY_PYTHON, "-I", str(Path(ENTRYPOINT).with_name("healthcheck.py"))).stdout


def test_sigterm_lets_a_conversation_finish(podman: Podman, echo_image: str, plexctl: Plexctl) -> None:
    """A container that is stopped in a conversation ends it in order, and itself with 0, within its grace."""
    with running(podman, echo_image) as container:
        wait_for(container.check, "healthy")
        talk = ("probe", container.url, "--seconds", "5s", "--json")
        with plexctl.begin(*talk, env={"PLEXCTL_TOKEN": TOKEN}) as caller:
            wait_for(lambda: '"busy": 1' in last_words(podman, container.name), "a conversation")
            podman("stop", "--time", str(_GRACE_S), container.name)
            stdout, stderr = caller.communicate()
        assert json.loads(stdout)["data"]["verdict"] in ("talking", "slow"), stderr
        state = container.state
        assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 0, False), container.log()


def test_other_commands_pass_through(podman: Podman, echo_image: str) -> None:
    """With arguments it runs these, so that one can look inside."""
    shown = podman("run", "--rm", echo_image, "sh", "-c", "echo $0 $1 $HOME $USER", "a b")
    assert shown == "a b /tmp plexctl"


def test_its_labels_and_settings(podman: Podman, echo_image: str) -> None:
    """What it is stands on it; it runs as nobody special, ends by SIGTERM, and declares no volume."""
    found = podman.inspect(echo_image)
    labels, config = found["Labels"], found["Config"]
    assert labels["org.opencontainers.image.title"] == "plexctl-echo"
    assert labels["org.opencontainers.image.version"] == __version__
    assert labels["plexctl-profile"] == "echo"
    assert (config["User"], config["StopSignal"], list(config["ExposedPorts"])) == (
        "1000:1000",
        "SIGTERM",
        ["8998/tcp"],
    )
    assert config["Entrypoint"] == [ENTRYPOINT]
    assert "Volumes" not in config
    assert "PYTHONUNBUFFERED=1" in config["Env"]
    assert found["Healthcheck"]["Test"][0] == "CMD"


def test_only_the_contexts_files_are_in_it(podman: Podman, echo_image: str) -> None:
    """What lay beside the rendered files stayed out, and all of the gateway's sources got in."""
    found = podman("run", "--rm", echo_image, "find", layout.SOURCES, "-type", "f", "-not", "-name", "*.pyc").split()
    wanted = [path for path in context_files(Spec(), PROFILES["echo"]) if path.startswith("plexctl/")]
    assert sorted(found) == [f"{layout.SOURCES}/{path}" for path in sorted(wanted)]


def test_no_secret_is_in_any_layer(podman: Podman, echo_image: str, tmp_path: Path) -> None:
    """Neither history nor settings nor one byte of a layer holds the secret that lay beside the context."""
    with running(podman, echo_image) as container:
        wait_for(container.check, "healthy")
    shown = podman("history", "--no-trunc", echo_image) + json.dumps(podman.inspect(echo_image))
    assert TOKEN not in shown
    assert not re.search(r"PLEXCTL_TOKEN|HF_TOKEN", shown)
    saved = tmp_path / "image.tar"
    podman("save", "--output", str(saved), echo_image)
    assert TOKEN.encode() not in saved.read_bytes()
