"""Pods at RunPod: find, make, stop, start and end them, each read back. What a lost answer did is looked up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from plexctl.errors import ConflictError, NoCapacityError, PlexError, ProviderError
from plexctl_providers.runpod.bodies import PODS, path_of
from plexctl_providers.runpod.client import Client, Json
from plexctl_providers.runpod.errors import is_absent, is_lost, placing, understood
from plexctl_providers.runpod.pacing import POLL_S
from plexctl_providers.runpod.states import ENDED, GONE, Pod, pod_of

_LATE_S = (0.0, 1.0, 2.0, 4.0)
"""Before each look for a pod whose create was not answered: it may appear late."""
_READ_BACK_S = 60.0
"""For a pod to be stopped or gone."""
_ACTIONS = 3
"""Times that one action is sent, as long as it shows no effect."""
_DELETES = 3
"""Deletes of one pod that is still listed."""
_NO_GPU = "`plexctl destroy` and `plexctl deploy` find another host; weights on a network volume are kept"


class Pods:
    """The pods of one account."""

    def __init__(self, client: Client) -> None:
        self.client = client

    @staticmethod
    def path(pod_id: str) -> str:
        """Return the path of a pod."""
        return path_of(PODS, pod_id)

    def all(self) -> list[Pod]:
        """Return every pod that there is."""
        answer = self.client.get(PODS, "list pods")
        with understood("list pods"):
            return [pod for pod in map(pod_of, answer["pods"]) if pod.status != GONE]

    def matching(self, label: str, ids: frozenset[str] = frozenset()) -> list[Pod]:
        """Return the pods of that name or with one of these ids, which are asked for where the list lacks them.

        A list may be behind: what is told by its id alone counts.
        """
        listed = [pod for pod in self.all() if pod.name == label or pod.id in ids]
        asked = [self.get(pod_id) for pod_id in sorted(ids - {pod.id for pod in listed})]
        return [*listed, *(pod for pod in asked if pod is not None)]

    def get(self, pod_id: str) -> Pod | None:
        """Return a pod; None when it is gone."""
        try:
            pod = _known("read the pod", self.client.get(self.path(pod_id), "read the pod"))
        except PlexError as error:
            if is_absent(error):
                return None
            raise
        return None if pod.status == GONE else pod

    def create(self, body: Mapping[str, object]) -> Pod:
        """Make a pod, which was looked up before. It is sent once: `errors.may_have_worked` tells what may be there.

        Raises NoCapacityError, PreflightError, CredentialsError, ProviderError.
        """
        try:
            return _known("create a pod", self.client.call("POST", PODS, "create a pod", body))
        except PlexError as error:
            raise placing(error) from None

    def found_after(self, error: PlexError, label: str) -> Pod:
        """Return the pod of a create that failed with `error` and may have worked. Raises `error` when none appears."""
        found = self.late(label)
        if found is not None:
            return found
        error.hint = "`plexctl deploy` again looks for it by its name before it makes one"
        raise error

    def late(self, label: str) -> Pod | None:
        """Look for a pod that may have been made, for a few seconds; None when it does not appear."""
        for wait_s in _LATE_S:
            self.client.clock.sleep(wait_s)
            found = self.matching(label)
            if found:
                return found[0]
        return None

    def renew(self, pod: Pod, env: Mapping[str, str]) -> None:
        """Give a pod another environment; repeated after a lost answer, since it says the same."""
        for wait_s in (1.0, 2.0, None):
            try:
                self.client.call("PATCH", self.path(pod.id), "renew the pod's environment", {"env": dict(env)})
            except PlexError as error:
                if wait_s is None or not is_lost(error):
                    raise
                self.client.clock.sleep(wait_s)
            else:
                return

    def restart(self, pod: Pod) -> None:
        """Start a running pod's container anew."""
        self._act(pod, "restart", "restart the pod")

    def start(self, pod: Pod) -> Pod:
        """Start a stopped pod. Raises NoCapacityError when its host has no free GPU: it starts nowhere else."""
        try:
            self._act(pod, "start", "start the pod")
        except NoCapacityError as error:
            raise NoCapacityError(f"{error.message}; a pod starts on its own host only", hint=_NO_GPU) from error
        for _ in self._looks():
            found = self.get(pod.id)
            if found is None:
                raise ProviderError(f"{pod.name} is gone: RunPod removed it while it was started")
            if found.lacks_gpu and found.status not in ENDED:
                self.stop(found)
                words = f"{pod.name} started without a GPU and was stopped again: its host has none free"
                raise NoCapacityError(words, hint=_NO_GPU)
            if found.status not in ENDED:
                return found
        raise ProviderError(f"{pod.name} does not start: RunPod calls it {pod.status}", hint=_NO_GPU)

    def stop(self, pod: Pod) -> None:
        """Stop a pod and read it back. Raises ProviderError when it does not stop, or cannot be."""
        if pod.status in ENDED:
            return
        if pod.actions and "stop" not in pod.actions:
            allowed = f"RunPod lets a pod like this only {', '.join(pod.actions)}"
            kept = f", and the network volume {pod.volume} stays" if pod.volume else ""
            raise ProviderError(f"cannot stop {pod.name}: {allowed}", hint=f"`plexctl destroy` ends it{kept}")
        self._act(pod, "stop", "stop the pod")
        for _ in self._looks():
            found = self.get(pod.id)
            if found is None or found.status in ENDED:
                return
        words = f"{pod.name} does not stop: it bills on"
        raise ProviderError(words, hint="try again, or `plexctl destroy` it")

    def destroy(self, label: str, ids: frozenset[str], *, may_come_late: bool) -> list[Pod]:
        """End every pod of that name and these ids; return those that were there, read back as gone.

        `may_come_late`: a create was never answered. Raises ProviderError for what is still listed.
        """
        deletes: dict[str, int] = {}
        gone: dict[str, Pod] = {}
        late = iter(_LATE_S[1:] if may_come_late else ())
        refusal: PlexError | None = None
        for _ in self._looks():
            found = self.matching(label, ids)
            if not found:
                wait_s = None if gone else next(late, None)
                if wait_s is None:
                    return list(gone.values())
                self.client.clock.sleep(wait_s)
            for pod in found:
                gone[pod.id] = pod
                if deletes.get(pod.id, 0) < _DELETES:
                    deletes[pod.id] = deletes.get(pod.id, 0) + 1
                    refusal = self._delete(pod) or refusal
        words = f"{label} is still there although it was to end, and it may bill"
        why = f"; {refusal.message}" if refusal else ""
        raise ProviderError(words + why, hint="`plexctl destroy` again, or end it in RunPod's console") from refusal

    def end(self, pod: Pod) -> None:
        """End one pod and read it back. Raises ProviderError for one that stays."""
        refusal: PlexError | None = None
        for _ in self._looks():
            refusal = self._delete(pod)
            if self.get(pod.id) is None:
                return
        why = f"; {refusal.message}" if refusal else ""
        raise ProviderError(f"a second pod named {pod.name} does not end, and bills{why}", hint="`plexctl destroy` it")

    def _delete(self, pod: Pod) -> PlexError | None:
        """Ask for a pod's end; return why that failed, for when it is still there."""
        try:
            self.client.call("DELETE", self.path(pod.id), "end the pod")
        except PlexError as error:
            if not is_lost(error) and not is_absent(error) and type(error) is not ConflictError:
                raise
            return None if is_absent(error) else error
        return None

    def _act(self, pod: Pod, action: str, words: str) -> None:
        """Ask for an action; what became of a lost or conflicting one is for the reading back.

        Sent again only when a look at the pod tells that it did not take effect.
        """
        for left in reversed(range(_ACTIONS)):
            try:
                self.client.call("POST", f"{self.path(pod.id)}/action", words, {"action": action})
            except PlexError as error:
                refusal = placing(error) if action == "start" else error
                if type(error) is ConflictError or is_absent(error):
                    return
                if not is_lost(error) or not left:
                    raise refusal from None
            else:
                return
            self.client.clock.sleep(1.0)
            found = self.get(pod.id)
            if found is None or (action != "restart" and (found.status in ENDED) == (action == "stop")):
                return

    def _looks(self) -> Iterator[None]:
        """Yield twice at once, and then at the pace of polling until the time for reading back is over."""
        clock: Callable[[], float] = self.client.clock.now
        begun = clock()
        yield
        while True:
            yield
            if clock() - begun >= _READ_BACK_S:
                return
            self.client.clock.sleep(POLL_S)


def _known(action: str, answer: Json) -> Pod:
    """Return the pod of an answer. Raises ProviderError, as a lost answer, for what is none."""
    with understood(action):
        return pod_of(answer)
