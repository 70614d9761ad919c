"""An app of AI Deploy as OVHcloud tells it, and what that means for a deployment. Pure; no secret gets past here.

Sources: the models of OVHcloud's SDK `ovhai` 0.1a4, and the routes below `/cloud/project/{serviceName}/ai`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from plexctl.model import CREATED_AT, LABEL_PREFIX, MANAGED_BY, Endpoint, LogLine, Ref, Resource, Status
from plexctl.states import State
from plexctl_providers._common.ages import expiry_in, moment_of
from plexctl_providers._common.client import is_trustworthy
from plexctl_providers._common.loglines import parse_line
from plexctl_providers._common.placeholders import TOKEN
from plexctl_providers.ovh.ai_deploy import APP
from plexctl_providers.ovh.names import PLACE_PROJECT, PLACE_REGION

STATE_MAP: dict[str, tuple[State, str]] = {
    "QUEUED": (State.CREATING, "queued: OVHcloud looks for a GPU"),
    "INITIALIZING": (State.CREATING, "being initialised: the image is pulled"),
    "SCALING": (State.LOADING, "its container is starting, and bills"),
    "RUNNING": (State.LOADING, "the app runs"),
    "STOPPING": (State.DRAINING, "it is being stopped"),
    "STOPPED": (State.STOPPED, "stopped: nothing of it bills, and its address stays"),
    "FAILED": (State.FAILED, "OVHcloud says FAILED: the image or what runs in it ended"),
    "ERROR": (State.FAILED, "OVHcloud says ERROR: its own platform failed"),
    "DELETING": (State.DRAINING, "it is being deleted"),
    "DELETED": (State.MISSING, "it was deleted"),
}
"""What OVHcloud calls it, as a state and words; anything else is UNKNOWN."""
GONE = ("DELETED",)
LEAVING = ("DELETING", *GONE)
AT_REST = ("STOPPED", "FAILED", "ERROR", *GONE)
"""Nothing of it runs."""
_OURS = "PLEXCTL_"
_LABEL = re.compile(rf"{LABEL_PREFIX}([a-z][a-z0-9-]*)-([a-z0-9]+)")


@dataclass(frozen=True, slots=True)
class App:
    """What is kept of OVHcloud's answer."""

    id: str
    name: str
    project: str
    region: str
    state: str
    url: str
    told: str
    """Why it is so, in OVHcloud's words."""
    labels: Mapping[str, str]
    settings: Mapping[str, str] = field(default_factory=dict)
    """plexctl's own variables of it, without the access token."""
    created_at: object = None
    """As OVHcloud tells it, ISO 8601."""

    @property
    def resource(self) -> Resource:
        """It in the journal's words, with its age and the end of its time."""
        ages = moment_of(CREATED_AT, self.created_at) | expiry_in(self.settings)
        return Resource(APP, self.name, self.id, self.place | ages)

    @property
    def place(self) -> dict[str, str]:
        """Where it is, as a resource's detail."""
        return {PLACE_PROJECT: self.project, PLACE_REGION: self.region}

    def is_of(self, ref: Ref) -> bool:
        """Tell whether it is that deployment's, by its labels or its name."""
        mine = read_ref(self)
        return mine is not None and (mine.name, mine.id) == (ref.name, ref.id)


def app_of(row: Mapping[str, Any], project: str) -> App:
    """Return an app of an answer. Raises LookupError, TypeError or AttributeError for what is none."""
    spec, status = row["spec"], row.get("status") or {}
    info = status.get("info") or {}
    return App(
        id=str(row["id"]),
        name=str(spec.get("name") or ""),
        project=project,
        region=str(spec.get("region") or row.get("region") or ""),
        state=str(status.get("state") or "").upper(),
        url=str(status.get("url") or "").rstrip("/"),
        told=" ".join(str(info.get("message") or "").split()),
        labels={str(name): str(value) for name, value in (spec.get("labels") or {}).items()},
        settings={
            str(one["name"]): str(one.get("value") or "")
            for one in spec.get("envVars") or ()
            if str(one["name"]).startswith(_OURS) and one["name"] != TOKEN
        },
        created_at=row.get("createdAt"),
    )


def read_ref(app: App) -> Ref | None:
    """Return the deployment that an app's labels tell, or its name; None for one that is not plexctl's."""
    key, value = MANAGED_BY
    name, identity = app.labels.get("plexctl-name"), app.labels.get("plexctl-id")
    if app.labels.get(key) == value and name and identity:
        return Ref("ovh", name, identity, (app.resource,))
    found = _LABEL.fullmatch(app.name)
    return Ref("ovh", found[1], found[2], (app.resource,)) if found else None


def status_of(app: App) -> Status:
    """Return a deployment's status by its app."""
    state, words = STATE_MAP.get(app.state, (State.UNKNOWN, f"OVHcloud calls it {app.state or 'nothing'}"))
    if state is State.MISSING:
        return Status(state, None, words)
    where = f" in {app.region}" if app.region else ""
    told = f": {app.told}" if app.told and state is not State.LOADING else ""
    return Status(state, endpoint_of(app), f"{words}{where}{told}")


def endpoint_of(app: App) -> Endpoint | None:
    """Return where callers go; None as long as OVHcloud tells no address that a token may be sent to."""
    if not is_trustworthy(app.url) or app.state in LEAVING:
        return None
    tls = "system" if urlsplit(app.url).scheme == "https" else "none"
    return Endpoint(app.url, f"ws{app.url.removeprefix('http')}/api/chat", tls)


def read_line(row: Mapping[str, Any]) -> LogLine:
    """Return a line of the log; its time is OVHcloud's, else the gateway's own."""
    line = parse_line(str(row.get("content") or "").rstrip("\r\n"))
    try:
        return LogLine(line.text, datetime.fromisoformat(str(row["timestamp"])).timestamp())
    except (LookupError, ValueError):
        return line


def chosen(lines: Iterable[LogLine], since: float | None, tail: int | None) -> list[LogLine]:
    """Return the lines from `since` (epoch seconds) on, and of those the last `tail`."""
    found = [line for line in lines if since is None or line.time is None or line.time >= since]
    return found if tail is None else found[max(len(found) - tail, 0) :]
