"""What can stand in the way of a container: said in words, with its exit code, and nothing is left behind."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from uuid import uuid4

import pytest
from tests.cli.process import Result, argv_of, every_pid
from tests.runtime.proxy import BEFORE, Proxy
from tests.runtime.rig import Here, until

from plexctl.spec import Spec

pytestmark = pytest.mark.real


def failed(done: Result, exit_code: int, *words: str) -> None:
    """Assert that a command failed with this code and these words, in message or hint."""
    assert done.rc == exit_code, done.document
    error = done.document["error"]
    for word in words:
        assert word in f"{error['message']} {error['hint']}", error


def own_dockerfile(here: Here, text: str) -> list[str]:
    """Put a Dockerfile in the place of plexctl's; return the command that deploys what it builds."""
    folder = here.plexctl.work / Spec().templates.folder / "container"
    folder.mkdir(parents=True)
    (folder / "Dockerfile.j2").write_text(text)
    asked = [word for word in here.argv if word not in ("--image", here.image)]
    return [*asked, "--no-probe"]


def test_a_taken_port_is_a_conflict(here: Here) -> None:
    """The port asked for is tried alone."""
    with socket.create_server(("127.0.0.1", here.port)):
        failed(here.deploy(), 11, "address already in use", "nothing of it is left", "--port")
    here.is_clean()


def test_without_a_port_asked_for_the_next_is_tried(here: Here, proxy: Proxy) -> None:
    """Somebody takes the free port between the look and the start: another one is found."""
    proxy.add(r"POST .*/containers/plexctl-voice-\w+/start", 500, "listen tcp4: bind: address already in use")
    argv = [word for word in here.argv if word not in ("--port", str(here.port))]
    done = here.run(*argv, "--no-probe", env=here.env(proxy.docker_host))
    assert done.rc == 0, done.document
    assert len(here.containers()) == 1
    assert here.state() == "ready"


def test_no_engine_is_said_in_words(here: Here, tmp_path: Path) -> None:
    """No socket, and a socket where nobody listens: what is wrong, and how to start one."""
    failed(here.deploy(env=here.env(f"unix://{tmp_path}/none.sock")), 3, "no such socket", "podman.socket")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(f"{tmp_path}/dead.sock")
        failed(here.deploy(env=here.env(f"unix://{tmp_path}/dead.sock")), 3, "nobody listens", "DOCKER_HOST")
    here.is_clean()


def test_an_engine_that_has_gone_is_unknown_not_missing(here: Here, tmp_path: Path) -> None:
    """What runs is not said to be gone because its engine cannot be asked; destroy says that it failed."""
    assert here.deploy().rc == 0
    gone = here.env(f"unix://{tmp_path}/none.sock")
    (status,) = here.run("status", "voice", env=gone).data["deployments"]
    assert status["state"] == "ready", "its gateway answers for itself"
    failed(here.run("destroy", "voice", "--yes", env=gone), 3, "no such socket")
    assert here.run("destroy", "voice", "--yes").rc == 0
    here.is_clean()


def test_a_registry_that_cannot_be_reached_is_named(here: Here) -> None:
    """The engine's own words, and nothing is made."""
    argv = [word if word != here.image else "127.0.0.1:1/nobody/nothing:latest" for word in here.argv]
    failed(here.run(*argv), 8, "127.0.0.1:1", "connection refused")
    here.is_clean()


def test_a_build_that_fails_names_its_step(here: Here, base_image: str) -> None:
    """The step, its words, and nothing is left of the deployment."""
    argv = own_dockerfile(here, f"FROM {base_image}\nRUN echo first\nRUN echo told-you-so && exit 7\n")
    done = here.run(*argv)
    failed(done, 8, "RUN echo told-you-so", "exit status 7", "told-you-so")
    assert "told-you-so" in done.document["data"]["log"]
    assert "building: 2/" in done.stderr
    here.is_clean()


def test_an_image_that_is_no_gateway_is_told_by_its_last_words(here: Here, base_image: str) -> None:
    """It starts and ends: the deploy says with which code, and removes it."""
    argv = own_dockerfile(here, f'FROM {base_image}\nCMD ["python3", "-c", "raise SystemExit(5)"]\n')
    failed(here.run(*argv), 9, "exit code 5", "nothing of it is left")
    here.is_clean()


def test_personaplex_without_a_gpu_is_refused_from_inside(here: Here) -> None:
    """The engine takes the request for a GPU and ignores it; the gateway looks, and its reason is the deploy's."""
    argv = own_dockerfile(here, _WITHOUT_CUDA.format(image=here.image.removeprefix("sha256:")))
    argv = [word if word != "echo" else "personaplex" for word in argv]
    done = here.run(*argv, env={"HF_HUB_OFFLINE": "1"})
    failed(done, 9, "no usable GPU", "removed, and kept: volume plexctl-weights")
    assert "NVIDIA" in done.stderr
    assert "plexctl-weights" in here.podman.held()["volumes"]
    here.podman("volume", "rm", "plexctl-weights")
    here.is_clean()


def test_an_interrupted_build_leaves_nothing(here: Here, base_image: str) -> None:
    """Ctrl-C while a step runs: 130, and no deployment."""
    mark = uuid4().hex
    argv = own_dockerfile(here, f"FROM {base_image}\nRUN echo {mark} && sleep 600\n")
    with here.plexctl.begin(*argv, env=here.env()) as process:
        assert process.stderr is not None
        until(lambda: mark in str(process.stderr and process.stderr.readline()), "the step")
        process.send_signal(signal.SIGINT)
        process.stderr.read()
    assert process.returncode == 130
    # Podman 4.3 goes on with a step whose caller has left, and then forgets the step's own container.
    for pid in (pid for pid in every_pid() if mark.encode() in argv_of(pid)):
        os.killpg(pid, signal.SIGKILL)
    for name in here.podman("ps", "--all", "--external", "--format", "{{.Names}}").split():
        here.podman("rm", "--force", name)
    here.is_clean()


def test_an_interrupted_start_leaves_nothing(here: Here, proxy: Proxy) -> None:
    """Ctrl-C between the container and its start: 130, and it is removed."""
    rule = proxy.add(r"POST .*/containers/plexctl-voice-\w+/start", BEFORE)
    with here.plexctl.begin(*here.argv, env=here.env(proxy.docker_host)) as process:
        rule.wait()
        assert len(here.containers()) == 1
        process.send_signal(signal.SIGINT)
        _, words = process.communicate(timeout=60)
    assert process.returncode == 130, words
    assert "nothing of it is left" in words
    here.is_clean()


_WITHOUT_CUDA = """\
FROM {image}
USER root
RUN mkdir -p /usr/lib/python3/dist-packages/torch \\
 && touch /usr/lib/python3/dist-packages/torch/__init__.py \\
 && echo "__version__, cuda = '2.4.1', '12.1'" > /usr/lib/python3/dist-packages/torch/version.py
ENV PLEXCTL_ENGINE_PYTHON=/usr/bin/python3
USER 1000:1000
"""
