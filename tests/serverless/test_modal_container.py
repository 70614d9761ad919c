"""What the rendered app does in its container, run by Modal's own `.local()` with programs in the image's places."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from modal_proto import api_pb2
from tests.clouds.modal import Modal
from tests.serverless.modal_deploys import environment, write
from tests.serverless.variants import files_of

from plexctl.images import ENTRYPOINT, GATEWAY_PYTHON
from plexctl.images.layout import SOURCES

_MINUTE = 60
STAYS = """#!/bin/sh
trap 'echo drained; exit 0' TERM
echo "$PYTHONPATH $PLEXCTL_TOKEN"
touch started
while :; do sleep 0.02; done
"""
ENDS = """#!/bin/sh
touch started
exit 7
"""
FETCHES = """#!/bin/sh
echo "$PYTHONPATH $*"
# As the real one: it is over at once when nobody holds its standard input any more.
if timeout 0.3 cat; then exit 70; fi
exit CODE
"""
SERVE = """
from pathlib import Path
service = modal_app.PersonaPlex()
service.web.local()
while not Path("started").exists():
    time.sleep(0.01)
"""
STOP = """
instance = service._cached_user_cls_instance()
vars(type(instance))["stop"]._get_raw_f()(instance)
for thread in threading.enumerate():
    if "_leave_with_gateway" in thread.name:
        thread.join()
print("the container goes on to its end", instance.gateway.returncode)
"""
FETCH = "modal_app.fetch_weights.local()"


@dataclass(frozen=True)
class Ended:
    """How the code ended, what it printed, and what Modal was asked for."""

    code: int | None
    output: str
    recorder: Modal


def run(folder: Path, program: str, code: str) -> Ended:
    """Run code beside the rendered app, with a program of ours in the place of the image's."""
    script = folder / "program"
    script.write_text(program, encoding="utf-8")
    script.chmod(0o755)
    text = files_of("modal", "default")["modal_app.py"]
    assert text.count(f'"{ENTRYPOINT}"') == text.count(f'"{GATEWAY_PYTHON}"') == 1
    text = text.replace(f'"{ENTRYPOINT}"', f'"{script}"').replace(f'"{GATEWAY_PYTHON}"', f'"{script}"')
    write({"modal_app.py": text}, folder)
    code = f"import sys, threading, time\nsys.path.insert(0, '.')\nimport modal_app\n{code}"
    with Modal() as cloud:
        done = subprocess.run(
            [sys.executable, "-u", "-c", code],
            cwd=folder,
            env=environment(folder, cloud) | {"PLEXCTL_TOKEN": "a-token", "PYTHONPATH": "modals-own"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_MINUTE,
            check=False,
        )
    return Ended(done.returncode, done.stdout.decode(), cloud)


def test_the_gateway_is_started_and_drained(tmp_path: Path) -> None:
    """It gets the secret and the image's import path, not Modal's; when the container goes it may end in peace."""
    found = run(tmp_path, STAYS, SERVE + STOP)
    assert found.code == 0, found.output
    assert f"{SOURCES} a-token" in found.output
    assert "drained" in found.output
    assert "the container goes on to its end 0" in found.output


def test_a_container_without_gateway_ends(tmp_path: Path) -> None:
    """When the gateway has ended by itself the container goes too, so that no GPU is billed for nothing."""
    found = run(tmp_path, ENDS, SERVE + "threading.Event().wait(60)")
    assert found.code == 7


def test_weights_are_fetched_and_committed(tmp_path: Path) -> None:
    """The gateway's own fetcher runs with the image's import path and an open standard input; then comes a commit."""
    found = run(tmp_path, FETCHES.replace("CODE", "0"), FETCH)
    assert found.code == 0, found.output
    assert f"{SOURCES} -m plexctl.gateway.weights" in found.output
    assert len(found.recorder.of(api_pb2.VolumeCommitRequest)) == 1


@pytest.mark.parametrize("code", ["1", "70"])
def test_a_broken_fetch_fails_and_keeps_what_came(tmp_path: Path, code: str) -> None:
    """The error is Modal's to show, and the next try goes on from what was committed."""
    found = run(tmp_path, FETCHES.replace("CODE", code), FETCH)
    assert found.code != 0
    assert f"exit code {code}" in found.output
    assert len(found.recorder.of(api_pb2.VolumeCommitRequest)) == 1
