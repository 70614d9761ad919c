"""A Lambda on the loopback with a journal, and what the tests do with both over and over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from msgspec import structs
from tests.clouds.lambda_cloud.server import Lambda
from tests.clouds.lambda_cloud.state import Instance
from tests.clouds.lambda_cloud.world import LambdaWorld

from plexctl.identity import new_id
from plexctl.journal import Entry, open_journal
from plexctl.model import Deployment, Need, Offer, Plan, Ref, Removal, Status
from plexctl.secret import Secret
from plexctl.spec import Lambda as Wish
from plexctl.spec import Spec
from plexctl_providers.lambda_cloud.adapter import LambdaProvider


class Rig:
    """One account with a journal."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __enter__(self) -> Self:
        self.world = LambdaWorld(self.home)
        self.journal = open_journal(self.home, self.cloud.clock.wall).__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.journal.__exit__(None, None, None)
        self.world.close()

    @property
    def cloud(self) -> Lambda:
        """The cloud."""
        return self.world.cloud

    def provider(self, secrets: Mapping[str, Secret] | None = None) -> LambdaProvider:
        """Return a fresh adapter."""
        return self.world.provider(secrets)

    def spec(self, name: str = "voice", **wish: Any) -> Spec:
        """Return a spec for the model, with a section of Lambda's own."""
        spec = Spec(name=name, provider="lambda", engine="personaplex")
        return structs.replace(spec, lambda_=Wish(**wish))

    def offer(self, gpu: str = "A10", region: str | None = "us-east-1") -> Offer:
        """Return what is offered of a GPU in a region."""
        return next(one for one in self.provider().offers(Need(gpu=gpu, region=region)))

    def anywhere(self, gpu: str = "A10") -> Offer:
        """Return an offer as the catalogue has it: no region, no instance type."""
        return replace(self.offer(gpu, None), region=None, detail={})

    def plan(self, spec: Spec | None = None, offer: Offer | None = None) -> Plan:
        """Plan with an A10 in us-east-1, unless told otherwise."""
        return self.provider().plan(spec or self.spec(), offer or self.offer())

    def begin(self, name: str = "voice") -> Entry:
        """Record a new deployment."""
        return self.journal.begin(Ref("lambda", name, new_id()), self.spec(name), self.offer())

    def begin_with(self, plan: Plan) -> Entry:
        """Record a new deployment without asking Lambda anything."""
        return self.journal.begin(Ref("lambda", plan.deployment, new_id()), self.spec(plan.deployment), plan.offer)

    def apply(self, entry: Entry, plan: Plan | None = None) -> Deployment:
        """Apply with a fresh adapter."""
        return self.provider().apply(plan or self.plan(), entry)

    def deploy(self, entry: Entry, plan: Plan | None = None) -> Status:
        """Apply and proceed with a fresh adapter until it is no longer being created."""
        plan = plan or self.plan()
        self.apply(entry, plan)
        while (status := self.provider().proceed(plan, entry)).state == "creating":
            self.cloud.clock.sleep(0.1)
        return status

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """Destroy with a fresh adapter."""
        return self.provider().destroy(ref, everything=everything)

    def instance(self) -> Instance:
        """Return the one instance of which something is left."""
        (found,) = self.cloud.living()
        return found
