"""A pod's log: what is there, and what comes, across streams that are cut.

The stream stays open whether anything comes or not, so that the end of what is there is told by a silence.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from math import inf

from plexctl.errors import PlexError, ProviderError
from plexctl.model import LogLine
from plexctl_providers.runpod.errors import is_absent, is_lost
from plexctl_providers.runpod.events import Event, Seen, events_in, rfc3339
from plexctl_providers.runpod.pods import Pods
from plexctl_providers.runpod.states import ENDED

MOST = 5000
"""Lines of the past that RunPod gives at most."""
_QUIET_S = 0.8
"""Silence after which all that is there has come."""
_PAST_S = 10.0
"""For all that is there: a container that never falls silent must not keep a reader for ever."""
_FOLLOW_S = 15.0
"""Silence in a followed log after which it is looked whether the pod is still there."""
_FOLLOW_ON_S = 60.0
"""Without such a silence, since keep-alives and a talkative container break it, it is looked all the same."""
_FRUITLESS = 8
"""Cuts in a row without a new line."""
_AFTER_CUT_S = 0.5
_EARLIER_S = 1.0
"""The host's stamp may be so much earlier than ours: asked for too much, and left out here."""


@dataclass(frozen=True, slots=True)
class _Patience:
    """How long one reading may be without a line, and how long it may take at all, in seconds."""

    quiet_s: float
    whole_s: float


_PAST, _COMING = _Patience(_QUIET_S, _PAST_S), _Patience(_FOLLOW_S, _FOLLOW_ON_S)


class Logs:
    """Reads the logs of pods."""

    def __init__(self, pods: Pods) -> None:
        self._pods = pods
        self._client = pods.client

    def read(self, pod_id: str, since: float | None, tail: int | None) -> list[LogLine]:
        """Return what is there; nothing of a pod that is gone."""
        return [event.shown() for event in self._past(pod_id, Seen(), since, tail)]

    def lines(self, pod_id: str, source: str, since: str | None, most: int = MOST) -> list[str]:
        """Return the texts of one source, from a moment on as RunPod wrote it; none where they cannot be read now.

        They are asked for beside a status, which is true without them.
        """
        query = {"source": source} | ({"tail": str(most)} if since is None else {"since": since})
        try:
            return [event.line for event in self._new(pod_id, Seen(), query, _PAST)]
        except ProviderError:
            return []

    def follow(self, pod_id: str, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Yield what is there and what comes, each once, until the pod has ended and everything was read."""
        seen, has_ended = Seen(), False
        for event in self._past(pod_id, seen, since, tail):
            yield event.shown()
        query = {"tail": str(MOST)}  # counts only where nothing has come yet that could be resumed after
        while not has_ended:
            has_ended = self._has_ended(pod_id)
            for event in self._new(pod_id, seen, query, _PAST if has_ended else _COMING):
                if _is_wanted(event, since):
                    yield event.shown()

    def _past(self, pod_id: str, seen: Seen, since: float | None, tail: int | None) -> list[Event]:
        """Return what is there. All that was read is noted as seen, also what is beyond `tail`."""
        most = MOST if tail is None else min(max(tail, 1), MOST)
        query = {"tail": str(most)} if since is None else {"since": rfc3339(since - _EARLIER_S)}
        wanted = [one for one in self._new(pod_id, seen, query, _PAST) if _is_wanted(one, since)]
        return list(deque(wanted, maxlen=tail))

    def _new(self, pod_id: str, seen: Seen, query: dict[str, str], patience: _Patience) -> Iterator[Event]:
        """Yield the events that were not given yet, until silence, its time's or the stream's end; a cut is mended.

        Nothing of a pod that is gone. Raises ProviderError when cut after cut brings nothing new.
        """
        path, fruitless = f"{self._pods.path(pod_id)}/logs", 0
        ends_at = inf
        while True:
            seen.resume()
            asked = query if seen.last_id is None else {name: query[name] for name in ("source",) if name in query}
            try:
                with self._client.stream(path, "read the pod's log", asked, seen.last_id, patience.quiet_s) as lines:
                    # From the first answer on: waiting for a quota is no reading.
                    ends_at = min(ends_at, self._client.clock.now() + patience.whole_s)
                    for event in events_in(self._until(ends_at, lines)):
                        if seen.is_new(event):
                            fruitless = 0
                            yield event
            except PlexError as error:
                fruitless += 1
                if is_absent(error):
                    return
                if not is_lost(error) or fruitless >= _FRUITLESS:
                    raise
                self._client.clock.sleep(_AFTER_CUT_S)
            else:
                return

    def _until(self, ends_at: float, lines: Iterator[str]) -> Iterator[str]:
        return takewhile(lambda _: self._client.clock.now() < ends_at, lines)

    def _has_ended(self, pod_id: str) -> bool:
        self._client.pace.wait_to_look(f"log {pod_id}", self._client.clock)
        pod = self._pods.get(pod_id)
        return pod is None or pod.status in ENDED


def _is_wanted(event: Event, since: float | None) -> bool:
    return since is None or event.time is None or event.time >= since
