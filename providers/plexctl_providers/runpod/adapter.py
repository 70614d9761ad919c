"""RunPod: one pod that runs the gateway, found again by its name."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import ClassVar

from plexctl.contract import Capabilities, Context, DeploymentJournal
from plexctl.model import (
    Deployment,
    Endpoint,
    Finding,
    Kept,
    Level,
    LogLine,
    Need,
    Offer,
    Plan,
    Ref,
    Removal,
    Resource,
    Status,
)
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers._common.clock import Clock
from plexctl_providers.runpod import requests
from plexctl_providers.runpod.account import read_spot_prices
from plexctl_providers.runpod.applying import Applying
from plexctl_providers.runpod.client import KEY, Client, proxy_of
from plexctl_providers.runpod.errors import KEY_HINT, understood
from plexctl_providers.runpod.logs import Logs
from plexctl_providers.runpod.offers import CATALOG, QUERY, offers_of
from plexctl_providers.runpod.pods import Pods
from plexctl_providers.runpod.preflight import check_account, check_key
from plexctl_providers.runpod.requests import POD
from plexctl_providers.runpod.states import ENDED, Pod, fingerprint_in, pinned, proxied, ref_of, status_of

_HOST_LINES = 20
_MAY_HAVE_FAILED = ("STARTING", *ENDED)
_VOLUME = "network-volume"


class RunPodProvider:
    """Deploys to RunPod by REST v2.

    Capabilities say what is documented: that a pod may end itself with its own key is not.
    """

    name: ClassVar[str] = "runpod"
    capabilities: ClassVar[Capabilities] = Capabilities(
        stop_keeps_disk=True, follows_logs=True, secret_store=True, tls_at_edge=True, offers_are_stock=True
    )

    def __init__(self, context: Context, *, clock: Clock = Clock()) -> None:  # noqa: B008 - it is immutable
        self._context = context
        self._client = Client(context, clock)
        self._pods = Pods(self._client)
        self._logs = Logs(self._pods)

    def preflight(self, spec: Spec) -> list[Finding]:
        """Check key, money, volume and registry. Raises CredentialsError, ProviderError."""
        return check_account(self._client, self._context, spec)

    def check_credentials(self) -> Finding:
        """Say whether RunPod takes the key; who has none is told, and may not need one. Raises CredentialsError."""
        if not self._context.environment.get(KEY):
            return Finding("credentials-runpod", Level.WARN, f"{KEY} is not set: nothing was asked", KEY_HINT)
        return check_key(self._client)

    def offers(self, need: Need) -> list[Offer]:
        """Offer what the secure cloud has in stock, at its price of this moment."""
        answer = self._client.get(CATALOG, "read the catalogue of GPUs", QUERY)
        day = datetime.fromtimestamp(self._context.now(), UTC).date().isoformat()
        spot = read_spot_prices(self._context.environment)
        with understood("read the catalogue of GPUs"):
            return offers_of(answer, need, day, spot)

    def status(self, ref: Ref) -> Status:
        """Say what RunPod says of the pod, and what its host says of one that does not come up."""
        self._client.pace.wait_to_look(ref.label, self._client.clock)
        pod = self._pod(ref)
        if pod is None:
            return Status(State.MISSING, None, "RunPod has no such pod")
        system = []
        if pod.status in _MAY_HAVE_FAILED or (pod.status == "RUNNING" and not pod.has_runtime):
            system = self._logs.lines(pod.id, "system", pod.started_at, _HOST_LINES)
        return status_of(pod, self._endpoint(pod), system)

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read what the container and its host wrote; with `follow`, go on until the pod has ended."""
        pod = self._pod(ref)
        if pod is None:
            return
        yield from self._logs.follow(pod.id, since, tail) if follow else self._logs.read(pod.id, since, tail)

    def find(self, name: str | None) -> list[Ref]:
        """Find pods by their names. REST v2 lists all of them in one answer."""
        refs: dict[str, Ref] = {}
        for pod in self._pods.all():
            ref = ref_of(pod, POD)
            if ref is not None and name in (None, ref.name):
                refs.setdefault(ref.label, ref)
        return sorted(refs.values(), key=lambda ref: (ref.name, ref.id))

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out the one pod."""
        return requests.build_plan(spec, offer)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Make the pod, bring a stopped one back, or adopt the one that runs."""
        proxy_of(self._context.environment)  # one that is not usable is told before anything is made
        pod, changed = Applying(self._pods, self._context, plan, journal).run()
        endpoint = self._endpoint(pod)
        if endpoint is not None:
            journal.reached(endpoint)
        return Deployment(journal.ref, endpoint, changed)

    def stop(self, ref: Ref) -> None:
        """Stop the pod and read it back; disk and volume bill on."""
        for pod in self._matching(ref):
            self._pods.stop(pod)

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """End the pod, its disk and volume with it, and read back; a network volume is never plexctl's."""
        del everything
        recorded = ref.first(POD)
        is_open = recorded is not None and recorded.id is None
        gone = self._pods.destroy(ref.label, _ids(ref), may_come_late=is_open)
        why = "it is yours, and bills until you delete it"
        kept = {pod.volume: Kept(_VOLUME, pod.volume, why) for pod in gone if pod.volume}
        return Removal(tuple(Resource(POD, ref.label, pod.id) for pod in gone), tuple(kept.values()))

    def _pod(self, ref: Ref) -> Pod | None:
        recorded = ref.first(POD)
        if recorded is not None and recorded.id is not None:
            return self._pods.get(recorded.id)
        return next(iter(self._pods.matching(ref.label)), None)

    def _matching(self, ref: Ref) -> list[Pod]:
        return self._pods.matching(ref.label, _ids(ref))

    def _endpoint(self, pod: Pod) -> Endpoint | None:
        """Return where callers go; None for a TCP port as long as port or certificate is not known."""
        if not pod.is_exposed_by_tcp:
            return proxied(pod.id, proxy_of(self._context.environment))
        if pod.status != "RUNNING" or pod.mapped is None:
            return None
        fingerprint = fingerprint_in(self._logs.lines(pod.id, "container", pod.started_at))
        return None if fingerprint is None else pinned(pod, fingerprint)


def _ids(ref: Ref) -> frozenset[str]:
    return frozenset(one.id for one in ref.resources if one.kind == POD and one.id)
