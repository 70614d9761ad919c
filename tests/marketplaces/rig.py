"""The rendered script of a marketplace in a folder of its own, with tools that note how they were called."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec import structs
from tests.marketplaces.examples import DEFAULT, DIGEST
from tests.marketplaces.standin import Market, RunPodMarket, VastMarket

from plexctl.model import Plan
from plexctl.spec import Image
from plexctl_providers._common.placeholders import fill

CANARY = "canary-"
AWKWARD = 'canary-"\\ $HOME `id` \u00e9'
"""A value that a shell or a template without escapes would break, or run."""
SPEC = structs.replace(DEFAULT, image=Image(name=DIGEST))
SURROUNDINGS = {"PLEXCTL_TOKEN": "canary-token", "HF_TOKEN": AWKWARD, "PLEXCTL_ID": "abc234"}
NAME = "plexctl-personaplex-abc234"


@dataclass(frozen=True)
class Target:
    """One marketplace and its script."""

    provider: str
    market: type[Market]
    script: str
    key: str
    base: str
    first_id: str
    name_key: str
    create: str


RUNPOD = Target(
    "runpod", RunPodMarket, "create-pod.sh", "RUNPOD_API_KEY", "PLEXCTL_RUNPOD_URL", "pod0", "name", "POST /v2/pods"
)
VAST = Target(
    "vast",
    VastMarket,
    "create-instance.sh",
    "VAST_API_KEY",
    "VAST_URL",
    "9000",
    "label",
    "PUT /api/v0/asks/7001/",
)


@dataclass
class Rig:
    """A folder with the rendered files, tools that note their command lines, and a market."""

    target: Target
    plan: Plan
    folder: Path
    market: Market

    def run(self, without: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        """Run the script; nothing of any canary may come out of it."""
        surroundings = SURROUNDINGS | {self.target.key: "canary-key", self.target.base: self.market.url} | more
        path = {"PATH": f"{self.folder / 'tools'}:/usr/local/bin:/usr/bin:/bin", "NOTES": str(self.notes)}
        environment = {name: value for name, value in (path | surroundings).items() if name != without}
        argv = ["bash", str(self.folder / self.target.script)]
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert CANARY not in done.stdout + done.stderr
        return done

    @property
    def notes(self) -> Path:
        """Return the file with the command lines of curl and jq."""
        return self.folder / "notes"

    @property
    def sent(self) -> object:
        """Return the body of the plan with the values of the surroundings in it."""
        return fill(self.plan.resources[0].body["json"], SURROUNDINGS)


Make = Callable[..., Rig]
