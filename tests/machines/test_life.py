from __future__ import annotations

import json
import subprocess

import pytest
from tests.machines.conftest import Begin
from tests.machines.gpu import Gpu
from tests.machines.hearing import listened_to, opened
from tests.machines.rig import CANARY


@pytest.mark.parametrize(
    "image", ["warm", *(pytest.param(one, marks=pytest.mark.slow) for one in ("bare", "warm-systemd"))]
)
def test_from_nothing_to_talking_and_back(ground: Begin, image: str) -> None:
    """A machine that has nothing of it talks; looked at, entered, stopped, started, destroyed: it is as it was."""
    here = ground(image, gpu=Gpu(name="NVIDIA L40S", use=12, temperature=41))
    before = here.machine.state()
    deployed = here.ok(*(word for word in here.wish if word != "--no-probe")).data
    assert deployed["probe"]["verdict"] == "talking", deployed

    (status,) = here.ok("status", "voice", "--json").data["deployments"]
    assert (status["state"], status["endpoint"]["tls"]) == ("ready", "ssh")
    assert [(one["name"], one["utilization_percent"], one["temperature_c"]) for one in status["gpus"]] == [
        ("NVIDIA L40S", 12, 41)
    ]
    listened_to(here.plexctl, here.environment)
    assert opened(here.plexctl, here.environment)["state"] == "ready"
    assert here.ok("ssh", "voice", "--", "id", "-un").stdout == "ubuntu\n"

    here.ok("stop", "voice", "--yes")
    assert here.state() == "stopped"
    assert not [line for line in here.machine.processes() if "plexctl.gateway" in line]
    here.ok("start", "voice")
    assert here.ok("probe", "voice", "--seconds", "1s", "--json").data["verdict"] == "talking"

    here.ok("destroy", "voice", "--yes")
    after = here.machine.state()
    warm = {path for path in before if path.startswith("/opt/plexctl")}
    assert after == {path: row for path, row in before.items() if path not in warm}
    here.gone(here.files())


def test_no_argument_and_no_file_that_others_read_has_a_secret(ground: Begin) -> None:
    """Every program that was started there is written down: the token is in no command line, and in one file alone."""
    here = ground()
    trace = here.machine.trace()
    here.ok(*here.wish)
    here.ok("stop", "voice", "--yes")
    here.ok("start", "voice")
    here.ok("logs", "voice")
    started = trace.read_text()
    assert '"-m", "plexctl.gateway"' in started, "what is detached is traced as well"
    assert "sftp-server" in started or "internal-sftp" in started or "tar" in started
    assert CANARY not in started

    def holders(*who: str) -> list[str]:
        places = ("/dev/shm", "/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/usr", "/var")  # noqa: S108
        argv = (*who, "grep", "--recursive", "--files-with-matches", "--fixed-strings", "--file=-", *places)
        return sorted(here.machine.run(*argv, stdin=f"{CANARY}\n").stdout.split())

    assert holders() == ["/etc/plexctl/secrets.env"]
    assert holders("runuser", "--user", "nobody", "--") == []
    assert holders("runuser", "--user", here.machine.user, "--") == []
    assert here.machine("stat", "--format=%a %U", "/etc/plexctl/secrets.env") == "600 root"
    kept = [path for path in here.plexctl.home.rglob("*") if path.is_file()]
    assert kept
    assert not [path for path in kept if CANARY.encode() in path.read_bytes()]


def test_ssh_hands_over_to_openssh(ground: Begin) -> None:
    """The command's exit code and its input are OpenSSH's own; another key at that address is not believed."""
    here = ground()
    here.ok(*here.wish)
    assert here("ssh", "voice", "--", "exit 7").rc == 7
    here.machine("bash", "-c", "cd /etc/ssh && rm ssh_host_* && ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key")
    refused = here("ssh", "voice", "--", "true")
    assert refused.rc == 255
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in refused.stderr
    status = here("status", "voice", "--json")
    assert "another key than before" in json.dumps(status.document), subprocess.list2cmdline(status.argv)
