"""What is up of a service, and for how long it was billed: out of Cloud Monitoring, which asks no instance.

Names of the metrics are Google's (run.googleapis.com/container/instance_count and .../billable_instance_time), from
memory: there is no description of this API at hand, and no account was used. Both come minutes late.
"""

from __future__ import annotations

from datetime import UTC, datetime

from plexctl.errors import PlexError
from plexctl.model import Ref, Usage
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.place import Place
from plexctl_providers.cloudrun.service_update import is_stopped

_LATE_S = 300.0
"""Points older than that say nothing about now."""
_IDLE_S = 600.0
"""A change starts an instance, and an idle one lives for 10 to 15 minutes (from memory): it is up as long as this."""
_API = "monitoring"


def usage_of(google: Google, place: Place, ref: Ref, since: float) -> Usage:
    """Return instances that are up now and say what was billed since then; None where Google does not tell."""
    service = google.services.get(place.service(ref.label))
    if service is None or is_stopped(service):
        return Usage(0, None, "it is not there" if service is None else "it is stopped: no instance can be up")
    now = google.context.now()
    try:
        replicas = _instances(google, place, ref, now)
        billed_s = _billed_s(google, place, ref, since, now)
    except PlexError as error:
        return Usage(None, None, f"Cloud Monitoring does not say: {error.message}")
    age_s = now - _changed_at(service)
    if replicas is None and age_s < _IDLE_S:
        words = f"Cloud Monitoring is minutes behind; what the change {age_s:.0f} s ago started is still up"
        return Usage(None, None, words, billed_s=billed_s or None, was_up=True)
    words = "billed seconds by Cloud Monitoring, minutes behind"
    return Usage(replicas or 0, None, words, billed_s=billed_s)


def _instances(google: Google, place: Place, ref: Ref, now: float) -> int | None:
    """Return the newest count over all revisions and states; None when nothing was counted lately."""
    counted = _series(google, place, ref, "container/instance_count", (now - _LATE_S, now))
    newest = [one["points"][0]["value"] for one in counted if one.get("points")]
    return sum(int(value.get("int64Value", 0)) for value in newest) if newest else None


def _billed_s(google: Google, place: Place, ref: Ref, since: float, now: float) -> float:
    series = _series(google, place, ref, "container/billable_instance_time", (since, now))
    return sum(float(point["value"].get("doubleValue", 0)) for one in series for point in one.get("points", ()))


def _series(google: Google, place: Place, ref: Ref, metric: str, interval: tuple[float, float]) -> list[Json]:
    words = (
        f'metric.type="run.googleapis.com/{metric}" AND resource.labels.service_name="{ref.label}"'
        f' AND resource.labels.location="{place.region}"'
    )
    query = {"filter": words, "interval.startTime": _stamp(interval[0]), "interval.endTime": _stamp(interval[1])}
    return list(google.items(_API, f"/v3/projects/{place.project}/timeSeries", "timeSeries", query))


def _stamp(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _changed_at(service: Json) -> float:
    try:
        return datetime.fromisoformat(str(service.get("updateTime"))).timestamp()
    except ValueError:
        return 0.0
