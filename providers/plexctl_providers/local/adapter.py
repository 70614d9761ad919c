"""The local provider: one gateway on this machine, as a detached process or in a container (local.runtime)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from plexctl.contract import Capabilities, Context, DeploymentJournal
from plexctl.model import Deployment, Finding, LogLine, Need, Offer, Plan, Ref, Removal, Status
from plexctl.spec import Spec
from plexctl_providers.local import process, requests
from plexctl_providers.local.container import ContainerRuntime
from plexctl_providers.local.container_requests import CONTAINER, NETWORK, is_container_plan
from plexctl_providers.local.process_runtime import ProcessRuntime

Runtime = ProcessRuntime | ContainerRuntime


class LocalProvider:
    """Runs the gateway on 127.0.0.1; costs nothing; survives the CLI.

    How a deployment runs is told by the kinds of its resources, so that it is found and ended without its spec.
    """

    name: ClassVar[str] = "local"
    capabilities: ClassVar[Capabilities] = Capabilities(stop_keeps_disk=True, follows_logs=True, ends_itself=True)

    def __init__(self, context: Context) -> None:
        self._process = ProcessRuntime(context)
        self._container = ContainerRuntime(context)

    def preflight(self, spec: Spec) -> list[Finding]:
        """Check that this system can run it, and say which engine that will be."""
        runtime: Runtime = self._container if spec.local.runtime == requests.DOCKER else self._process
        return runtime.preflight(spec, self.offers(Need())[0])

    def offers(self, need: Need) -> list[Offer]:
        """Offer this machine; it is free, so that no need is refused here."""
        del need
        gpu = process.has_gpu()
        return [
            Offer(
                provider=self.name,
                gpu=gpu,
                count=1 if gpu else 0,
                region=None,
                price_usd_per_hour=0.0,
                source="this machine",
                as_of=None,
            )
        ]

    def status(self, ref: Ref) -> Status:
        """Say whether it runs; what the gateway says is for the core to ask."""
        return self._runtimes(ref)[-1].status(ref)

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read what it printed; follow it while it runs."""
        return self._runtimes(ref)[-1].logs(ref, follow=follow, since=since, tail=tail)

    def find(self, name: str | None) -> list[Ref]:
        """Find deployments by their folders, and by labels where there is a container engine."""
        refs = sorted([*self._process.find(), *self._container.find()], key=lambda ref: (ref.name, ref.id))
        return [ref for ref in refs if name in (None, ref.name)]

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out the one process, or the container and what belongs to it."""
        return requests.build_plan(spec, offer)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Start it, or adopt the one that runs; what an adopted deployment has of the other kind goes first."""
        wanted: Runtime = self._container if is_container_plan(plan) else self._process
        kinds = (requests.PROCESS,) if wanted is self._container else (NETWORK, CONTAINER)
        others = [one for one in journal.ref.resources if one.kind in kinds]
        if others:
            (self._process if wanted is self._container else self._container).destroy(journal.ref)
        for one in others:
            journal.removed(journal.intend(one.kind, one.name, one.detail))
        return wanted.apply(plan, journal)

    def stop(self, ref: Ref) -> None:
        """End it and read back that nothing of it runs."""
        for runtime in self._runtimes(ref):
            runtime.stop(ref)

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """End it and remove everything of it; weights that deployments share are never its own."""
        del everything
        ended = [runtime.destroy(ref) for runtime in self._runtimes(ref)]
        return Removal(
            tuple(one for removal in ended for one in removal.removed),
            tuple(one for removal in ended for one in removal.kept),
        )

    def _runtimes(self, ref: Ref) -> list[Runtime]:
        kinds = {resource.kind for resource in ref.resources}
        found: list[Runtime] = [self._process] if requests.PROCESS in kinds or not kinds else []
        return [*found, self._container] if kinds & {NETWORK, CONTAINER} else found or [self._process]
