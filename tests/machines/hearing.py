"""What a user sees of the only deployment while it is up: its log as it goes on, and its gateway through a tunnel."""

from __future__ import annotations

import json
from collections.abc import Mapping
from urllib.request import ProxyHandler, build_opener

from tests.cli.process import Plexctl
from tests.machines.rig import killed

OWN = build_opener(ProxyHandler({}))
_ENDED = " ended after "


def listened_to(plexctl: Plexctl, environment: Mapping[str, str]) -> None:
    """Follow the log while somebody talks, until it says that one more conversation ended."""
    ended = plexctl.ok("logs", env=environment).stdout.count(_ENDED)
    with killed(plexctl.begin("logs", "--follow", env=environment)) as logs:
        talk = plexctl.ok("probe", "--seconds", "1s", "--json", env=environment)
        assert talk.data["verdict"] == "talking"
        for line in logs:
            ended -= _ENDED in line
            if ended < 0:
                return
    raise AssertionError("the log ended before the conversation was in it")


def opened(plexctl: Plexctl, environment: Mapping[str, str]) -> dict[str, object]:
    """Ask the gateway how it is, through the tunnel of `plexctl open`, by a client that knows nothing of ssh."""
    with killed(plexctl.begin("open", env=environment)) as tunnel:
        url = tunnel.readline().strip()
        assert url.startswith("http://localhost:"), url
        with OWN.open(f"{url}/health", timeout=10) as answer:
            health: dict[str, object] = json.load(answer)
            return health
