"""A pod's log: what is there, and what comes, across streams that are cut.

The stream stays open whether anything comes or not, so that the end of what is there is told by a silence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from contextlib import closing

from plexctl.errors import PlexError
from plexctl.model import LogLine
from plexctl_providers.runpod.errors import is_absent, is_lost
from plexctl_providers.runpod.events import Event, Seen, events_in, rfc3339
from plexctl_providers.runpod.pods import Pods
from plexctl_providers.runpod.states import ENDED

MOST = 5000
"""Lines of the past that RunPod gives at most."""
_QUIET_S = 0.8
"""Silence after which all that is there has come."""
_FOLLOW_S = 15.0
"""Silence in a followed log after which it is looked whether the pod is still there."""
_EARLIER_S = 1.0
"""The host's stamp may be so much earlier than ours: asked for too much, and left out here."""


class Logs:
    """Reads the logs of pods."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._client = pods.client

    def read(self, pod_id: str, since: float | None, tail: int | None) -> list[LogLine]:
        """Return what is there; nothing of a pod that is gone."""
        return [event.shown() for event in self._past(pod_id, Seen(), since, tail)]

    def lines(self, pod_id: str, source: str, since: str | None, most: int = MOST) -> list[str]:
        """Return the texts of one source, from a moment on as RunPod wrote it."""
        query = {"source": source} | ({"tail": str(most)} if since is None else {"since": since})
        return [event.line for event in self._events(pod_id, query, None, _QUIET_S)]

    def follow(self, pod_id: str, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Yield what is there and what comes, each once, until the pod has ended and everything was read."""
        seen = Seen()
        for event in self._past(pod_id, seen, since, tail):
            yield event.shown()
        while True:
            has_ended = self._has_ended(pod_id)
            seen.resume()
            query = {"since": rfc3339((since or 0.0) - _EARLIER_S if since else 0.0)} if seen.last_id is None else {}
            quiet_s = _QUIET_S if has_ended else _FOLLOW_S
            with closing(self._events(pod_id, query, seen.last_id, quiet_s)) as events:
                for event in events:
                    if seen.is_new(event) and _is_wanted(event, since):
                        yield event.shown()
            if has_ended:
                return

    def _past(self, pod_id: str, seen: Seen, since: float | None, tail: int | None) -> list[Event]:
        """Return what is there. All of it is noted as seen, also what is beyond `tail`."""
        if tail == 0 and since is None:
            query = {"tail": "1"}
        elif since is None:
            query = {"tail": str(min(MOST if tail is None else tail, MOST))}
        else:
            query = {"since": rfc3339(since - _EARLIER_S)}
        found = [one for one in self._events(pod_id, query, None, _QUIET_S) if seen.is_new(one)]
        wanted = [one for one in found if _is_wanted(one, since)]
        return list(deque(wanted, maxlen=tail))

    def _events(
        self, pod_id: str, query: dict[str, str], last_id: str | None, quiet_s: float
    ) -> Generator[Event, None, None]:
        """Yield events until silence or a cut; a failed server is a cut, a pod that is gone has none."""
        path = f"{self._pods.path(pod_id)}/logs"
        try:
            with self._client.stream(path, "read the pod's log", query, last_id, quiet_s) as lines:
                yield from events_in(lines)
        except PlexError as error:
            if not is_absent(error) and not is_lost(error):
                raise

    def _has_ended(self, pod_id: str) -> bool:
        self._client.pace.wait_to_look(f"log {pod_id}", self._client.clock)
        pod = self._pods.get(pod_id)
        return pod is None or pod.status in ENDED


def _is_wanted(event: Event, since: float | None) -> bool:
    return since is None or event.time is None or event.time >= since
