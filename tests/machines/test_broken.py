from __future__ import annotations

import os
import signal
from typing import Any

import pytest
from tests.machines.conftest import Begin
from tests.machines.rig import MOMENTS


def moments(*sample: str) -> list[Any]:
    """Return every moment, those beside the sample marked slow."""
    return [one if one in sample else pytest.param(one, marks=pytest.mark.slow) for one in MOMENTS]


@pytest.mark.parametrize("moment", moments("claimed", "environment"))
def test_a_deploy_that_was_killed(ground: Begin, moment: str) -> None:
    """SIGKILL to plexctl at a moment of its deploy: a destroy leaves nothing, though nobody saw the deploy's end."""
    here = ground()
    before = here.files()
    with here.begin(*here.wish) as deploy:
        here.at(moment)
        os.killpg(deploy.pid, signal.SIGKILL)
    here.ok("destroy", "voice", "--yes")
    here.gone(before)


@pytest.mark.parametrize("moment", moments("secrets"))
def test_a_deploy_that_was_killed_is_taken_up(ground: Begin, moment: str) -> None:
    """SIGKILL to plexctl at a moment of its deploy: the same command again makes one deployment of it, and it is up."""
    here = ground()
    before = here.files()
    with here.begin(*here.wish) as deploy:
        here.at(moment)
        os.killpg(deploy.pid, signal.SIGKILL)
    here.ok(*here.wish)
    assert here.state() == "ready"
    assert len([line for line in here.machine.processes() if line.endswith("-m plexctl.gateway")]) == 1
    here.ok("destroy", "voice", "--yes")
    here.gone(before)


@pytest.mark.parametrize("moment", moments("claimed", "secrets", "environment"))
def test_a_connection_that_breaks(ground: Begin, moment: str) -> None:
    """Every connection cut at a moment: the deploy goes on to its end, or it says so in a line and leaves nothing."""
    here = ground()
    before = here.files()
    with here.begin(*here.wish) as deploy:
        here.at(moment)
        assert here.machine.cut() > 0
        code, document = here.document(deploy)
    if code == 0:
        assert here.state() == "ready"
        here.ok("destroy", "voice", "--yes")
    else:
        assert code == 8, document
        assert "broke; nothing of it is left" in document["error"]["message"]
    here.gone(before)


@pytest.mark.slow
def test_a_connection_that_breaks_while_packages_are_installed(ground: Begin) -> None:
    """The bootstrap runs on the machine: plexctl finds it again and sees it through, with nothing begun anew."""
    here = ground("bare")
    with here.begin(*here.wish) as deploy:
        assert deploy.stderr is not None
        for line in deploy.stderr:
            if "creating: stage 5/9" in line:
                break
        for _ in range(2):
            here.machine.until("pgrep --full 'sshd: [u]buntu@'")
            here.machine.cut()
        code, document = here.document(deploy)
    assert code == 0, document
    assert here.log().count("gateway-environment started") == 1


@pytest.mark.parametrize(
    ("image", "moment"),
    [
        ("warm", "secrets"),
        *(
            pytest.param(image, moment, marks=pytest.mark.slow)
            for image in ("warm", "warm-systemd")
            for moment in ("begun", "environment", "service", "ready")
        ),
    ],
)
def test_a_reboot_in_the_middle(ground: Begin, image: str, moment: str) -> None:
    """The machine goes down and comes back: it talks by itself, or a line says what happened, and it can be redone."""
    here = ground(image)
    before = here.files()
    with here.begin(*here.wish) as deploy:
        here.at(moment)
        here.machine.reboot()
        code, document = here.document(deploy)
    if code != 0:
        assert code in (8, 9), document
        here.ok(*here.wish)
    assert here.state() == "ready"
    here.ok("destroy", "voice", "--yes")
    here.gone(before)
