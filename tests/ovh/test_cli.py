"""The CLI against the loopback AI Deploy: from nothing to talking, through every command, to nothing."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from tests.cli.process import Plexctl
from tests.clouds.hub import Hub, personaplex
from tests.clouds.ovh.server import Ovh
from tests.clouds.ovh.state import PROJECT
from tests.ovh.rig import IMAGE

TOKEN = "canary-token-of-the-cli"
HUB_TOKEN = "hf_canary_of_the_cli"


@pytest.fixture
def user(tmp_path: Path) -> Plexctl:
    """Give the CLI in a clean environment, with an image that was pushed."""
    one = Plexctl(tmp_path)
    one.work.mkdir()
    (one.work / "plexctl.toml").write_text(f'[image]\nname = "{IMAGE}"\n', encoding="utf-8")
    return one


def test_an_app_from_nothing_to_talking_and_to_nothing(user: Plexctl) -> None:
    """A service account deploys, hears it talk, reads its log, stops, starts and destroys it; nothing is left."""
    with Ovh() as cloud:
        env = {**cloud.for_ci, "PLEXCTL_TOKEN": TOKEN}
        deploy = ("deploy", "--provider", "ovh", "--product", "ai-deploy", "--engine", "echo", "--yes", "--json")
        done = user.ok(*deploy, env=env).data
        assert done["probe"]["verdict"] == "talking"
        assert user.ok("status", "--json", env=env).data["deployments"][0]["state"] == "ready"
        assert "is ready" in user.ok("logs", "--tail", "50", env=env).stdout
        user.ok("stop", "--yes", env=env)
        assert [app.state for app in cloud.apps.values()] == ["STOPPED"]
        user.ok("start", env=env)
        assert user.ok("destroy", "--yes", "--json", env=env).data["removed"][0]["kind"] == "app"
        assert cloud.apps == {}
        kept = [path for path in user.root.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]
        assert kept == []
        sent = [one for one in cloud.seen if TOKEN in one.body]
        assert [one.operation for one in sent] == ["create-app"]
        names = [one["name"] for one in json.loads(sent[0].body)["envVars"] if one["value"] == TOKEN]
        assert names == ["PLEXCTL_TOKEN"]


def test_doctor_walks_a_person_through_the_login(user: Plexctl) -> None:
    """At a terminal it shows the address to confirm at, sees that the key counts, and says how to set it."""
    with Ovh() as cloud:
        env = {name: value for name, value in cloud.for_people.items() if name != "OVH_CONSUMER_KEY"}

        def confirm(shown: str) -> str:
            """Do what the owner does at the address, and press Enter."""
            if "press Enter" not in shown:
                return ""
            key = re.search(r"credentialToken=(\S+)", shown)
            assert key, shown
            cloud.door.consumers[key[1]] = "validated"
            return "\n"

        shown = at_a_terminal(user, "doctor", "--login", "ovh", env=env, types=confirm)
        assert "OVHcloud takes the consumer key" in shown
        assert "export OVH_CONSUMER_KEY=consumer-1" in shown
        refused = user("doctor", "--login", "ovh", env=env)
        assert (refused.rc, "needs a terminal" in refused.stderr) == (2, True)


def at_a_terminal(user: Plexctl, *argv: str, env: dict[str, str], types: Callable[[str], str]) -> str:
    """Run plexctl at a terminal of its own, type what `types` makes of what is shown, and return all of that."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "plexctl", *argv],
        env=user.environment({**env, "TERM": "dumb"}),
        cwd=user.work,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ):
        os.close(theirs)
        shown, has_typed = b"", False
        with suppress(OSError):  # EIO: nobody holds the other end any more
            while part := os.read(ours, 4096):
                shown += part
                typed = "" if has_typed else types(shown.decode(errors="replace"))
                has_typed = has_typed or bool(typed)
                os.write(ours, typed.encode())
    os.close(ours)
    return shown.decode()


@pytest.mark.parametrize(
    ("name", "value", "code", "says"), [("available", False, 7, "stock"), ("quota", 0, 6, "quota")]
)
def test_stock_and_quota_have_an_exit_code_each(user: Plexctl, name: str, value: object, code: int, says: str) -> None:
    """A flavour that is listed and out of stock is 7, one that the quota has no room for 6; nothing is created."""
    with Ovh() as cloud, Hub() as hub:
        personaplex(hub, access={"ann": "granted"})
        hub.add_token(HUB_TOKEN)
        for flavour in cloud.flavours:
            setattr(flavour, name, value)
        argv = ("deploy", "-p", "ovh", "--gpu", "L4", "--yes", "--json")
        secrets = {"PLEXCTL_TOKEN": TOKEN, "HF_TOKEN": HUB_TOKEN}
        refused = user(*argv, env={**cloud.for_people, **secrets, **hub.environment})
        assert refused.rc == code, refused
        assert says in refused.document["error"]["message"]
        assert cloud.mutations == []


def test_two_ways_to_log_in_are_told_apart_by_their_exit_codes(user: Plexctl) -> None:
    """Both at once is 3; an expired consumer key is 4 with the page that makes new ones; neither creates anything."""
    with Ovh() as cloud:
        argv = ("deploy", "--provider", "ovh", "--product", "ai-deploy", "--engine", "echo", "--yes", "--json")
        both = user(*argv, env={**cloud.for_ci, **cloud.for_people, "PLEXCTL_TOKEN": TOKEN})
        assert both.rc == 3, both
        cloud.door.consumers = dict.fromkeys(cloud.door.consumers, "expired")
        expired = user(*argv, env={**cloud.for_people, "PLEXCTL_OVH_PROJECT": PROJECT, "PLEXCTL_TOKEN": TOKEN})
        assert expired.rc == 4, expired
        assert "createToken" in expired.document["error"]["hint"]
        assert cloud.mutations == []
