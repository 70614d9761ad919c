"""A RunPod on the loopback with a journal, and what the tests do with both over and over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from msgspec import structs
from tests.clouds.runpod.server import RunPod
from tests.clouds.runpod.state import Pod
from tests.clouds.runpod.world import RunPodWorld
from tests.contract.worlds import until

from plexctl.identity import new_id
from plexctl.journal import Entry, open_journal
from plexctl.model import Deployment, Need, Offer, Plan, Ref
from plexctl.secret import Secret
from plexctl.spec import RunPod as Wish
from plexctl.spec import Spec
from plexctl_providers.runpod.adapter import RunPodProvider


class Rig:
    """One account with a journal."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __enter__(self) -> Self:
        self.world = RunPodWorld(self.home)
        self.journal = open_journal(self.home, self.cloud.clock.wall).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.__exit__(None, None, None)
        self.world.close()

    @property
    def cloud(self) -> RunPod:
        """The cloud."""
        return self.world.cloud

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> RunPodProvider:
        """Return a fresh adapter."""
        made = self.world.provider(secrets)
        assert isinstance(made, RunPodProvider)
        return made

    def spec(self, name: str = "voice", **wish: Any) -> Spec:
        """Return the world's spec with a section of RunPod's own."""
        return structs.replace(self.world.spec(name), runpod=Wish(**wish))

    def begin(self, name: str = "voice") -> Entry:
        """Record a new deployment."""
        return self.journal.begin(Ref("runpod", name, new_id()), self.spec(name), self.offer())

    def offer(self, gpu: str = "RTX 4090", region: str | None = None) -> Offer:
        """Return what the catalogue has of a GPU."""
        return next(one for one in self.provider().offers(Need(gpu=gpu, region=region)))

    def plan(self, spec: Spec | None = None, offer: Offer | None = None) -> Plan:
        """Plan with the GPU that is in stock."""
        return self.provider().plan(spec or self.spec(), offer or self.offer())

    def deploy(self, entry: Entry, spec: Spec | None = None, **secrets: Secret) -> Deployment:
        """Apply with a fresh adapter."""
        return self.provider(secrets).apply(self.plan(spec), entry)

    def pod(self, name: str = "voice") -> Pod:
        """Return the one pod of a deployment."""
        return self.world.pod(name)

    def counted(self, operation: str) -> int:
        """Count the requests for an operation."""
        return self.cloud.operations().count(operation)

    def wait(self, is_true: Callable[[], bool]) -> None:
        """Wait in real time until something is true."""
        until(is_true, "what the test waits for")

    def until(self, is_true: Callable[[], bool]) -> None:
        """Let time pass by the cloud's clock until something is true; the loop gets to work in between."""
        for _ in range(2000):
            if is_true():
                return
            self.cloud.clock.sleep(0.01)
            self.cloud.do(_nothing())
        raise AssertionError("it did not come about")


async def _nothing() -> None:
    return
