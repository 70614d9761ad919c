"""Making a plan real: adopt the pod that is there, bring a stopped one back, or create the one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import NoCapacityError, PlexError, PreflightError
from plexctl.model import Plan
from plexctl.secret import Secret
from plexctl_providers._common.files import resource
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, IMAGE, fill, names_in
from plexctl_providers.runpod.errors import may_have_worked
from plexctl_providers.runpod.pods import Pods
from plexctl_providers.runpod.preflight import volume_place
from plexctl_providers.runpod.requests import POD
from plexctl_providers.runpod.states import ENDED, Pod

_ENV, _PLACES = "env", "dataCenterIds"


class Applying:
    """One apply."""

    def __init__(self, pods: Pods, context: Context, plan: Plan, journal: DeploymentJournal) -> None:
        self._pods = pods
        self._context = context
        self._plan = plan
        self._journal = journal

    def run(self) -> tuple[Pod, bool]:
        """Return the pod, and whether anything was changed."""
        ref = self._journal.ref
        recorded = ref.first(POD)
        ids = frozenset({recorded.id}) if recorded and recorded.id else frozenset[str]()
        found = self._pods.matching(ref.label, ids)
        if not found and recorded is not None and recorded.id is None:
            late = self._pods.late(ref.label)
            found = [late] if late else []
        if not found:
            return self._create(), True
        pod, *others = sorted(found, key=lambda one: (one.status in ENDED, one.id not in ids, one.id))
        self._record(pod)
        for other in others:  # a create whose answer was lost, and whose pod came after everybody had stopped looking
            self._pods.end(other)
        return self._as_wanted(pod)

    def _create(self) -> Pod:
        body, label = self._placed(self._body()), self._journal.ref.label
        key = self._journal.intend(POD, label)
        try:
            pod = self._pods.create(body)
        except PlexError as error:
            if not may_have_worked(error):
                self._journal.removed(key)
                raise
            pod = self._pods.found_after(error, label)  # whatever this raises, the intent stays
        self._journal.created(key, pod.id, _detail(pod))
        return pod

    def _record(self, pod: Pod) -> None:
        """Record a pod that was there, unless it is."""
        label = self._journal.ref.label
        recorded = self._journal.ref.first(POD)
        if recorded is None or recorded.id != pod.id:
            self._journal.created(self._journal.intend(POD, label, _detail(pod)), pod.id, _detail(pod))

    def _as_wanted(self, pod: Pod) -> tuple[Pod, bool]:
        """Start a pod that has ended, with an environment of now; give one that runs its secrets, where they differ."""
        if pod.status in ENDED:
            env = self._env()
            if _differs(pod.env, env):
                self._pods.renew(pod, env)
            return self._pods.start(pod), True
        if not any(name in pod.env for name in self._plan.secrets):
            return pod, False
        env = self._env()
        theirs = {name: env[name] for name in self._plan.secrets}
        if not self._context.renews_secrets and not _differs(pod.env, theirs):
            return pod, False
        self._pods.renew(pod, {name: secret.reveal() for name, secret in pod.env.items()} | theirs)
        self._pods.restart(pod)
        return self._pods.get(pod.id) or pod, True

    def _env(self) -> dict[str, str]:
        return cast("dict[str, str]", self._body()[_ENV])

    def _body(self) -> dict[str, Any]:
        """Return the body to send, its secrets in the clear. Raises PreflightError for what is not known."""
        planned = resource(self._plan, POD)
        template = cast("dict[str, Any]", planned.body["json"])
        if IMAGE in names_in(template):
            words = "RunPod pulls an image, and none is named and none was pushed"
            raise PreflightError(words, hint="`plexctl image build --push` makes one, or name it with --image")
        values: dict[str, str | Secret] = {**self._context.secrets, ID: self._journal.ref.id}
        ttl_s = planned.body.get("ttl_s")
        if ttl_s is not None:
            values[EXPIRES_AT] = f"{self._context.now() + cast('float', ttl_s):.0f}"
        return cast("dict[str, Any]", fill(template, values))

    def _placed(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the body with the data centre of the network volume that it mounts."""
        volumes = body.get("mounts", {}).get("network", ())
        if not volumes:
            return body
        place = volume_place(self._pods.client, str(volumes[0]["volumeId"]))
        if place is None:
            words = f"there is no network volume {volumes[0]['volumeId']}"
            raise PreflightError(words, hint="see runpod.network_volume")
        wished = body.get(_PLACES) or [place]
        if place not in wished:
            raise NoCapacityError(f"the network volume is in {place}, and the pod was to be in {', '.join(wished)}")
        return body | {_PLACES: [place]}


def _detail(pod: Pod) -> dict[str, str]:
    return {"data_center": pod.place} if pod.place else {}


def _differs(has: Mapping[str, Secret], wants: Mapping[str, str]) -> bool:
    return any(name not in has or has[name].reveal() != value for name, value in wants.items())
