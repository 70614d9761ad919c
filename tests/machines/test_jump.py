"""A host that is reached by way of another one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.machines.conftest import Begin
from tests.machines.hearing import listened_to, opened
from tests.machines.rig import CANARY
from tests.ssh.rig import sshd


@pytest.mark.slow
def test_a_host_behind_another_talks(ground: Begin, tmp_path: Path) -> None:
    """All of it goes by way of the jump host, whose key is checked as well: deploy, probe, open, ssh, destroy."""
    here = ground()
    before = here.files()
    with sshd(tmp_path / "jump") as jump:
        environment = {"PLEXCTL_TOKEN": CANARY, "PLEXCTL_SSH_JUMP": str(jump.destination)}
        with (jump.folder / "authorized_keys").open("a") as file:
            file.write(f"{here.person.public_key}\n")
        refused = here.plexctl(*here.wish, env=environment)
        assert (refused.rc, str(jump.destination) in refused.stdout) == (4, True), refused.stdout
        with here.person.known_hosts.open("a") as file:
            file.write(f"[127.0.0.1]:{jump.port} {jump.host.public}\n")

        here.plexctl.ok(*here.wish, env=environment)
        logins = jump.log().count("Accepted publickey")
        assert logins > 0
        listened_to(here.plexctl, environment)
        assert opened(here.plexctl, environment)["state"] == "ready"
        assert here.plexctl.ok("ssh", "voice", "--", "id", "-un", env=environment).stdout == "ubuntu\n"
        assert jump.log().count("Accepted publickey") > logins
        here.plexctl.ok("destroy", "voice", "--yes", env=environment)
    here.gone(before)
