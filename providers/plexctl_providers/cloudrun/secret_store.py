"""Secrets in Secret Manager: made once, read back and compared, a new version only for a new value."""

from __future__ import annotations

from plexctl.errors import PlexError
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.errors import is_forbidden
from plexctl_providers.cloudrun.making import ensure
from plexctl_providers.cloudrun.place import Place

_API = "secretmanager"


def ensure_secret(google: Google, place: Place, call: Json) -> str:
    """Make the secret unless it is there; return its full name."""
    name = place.secret(call["query"]["secretId"])
    found = ensure(
        lambda: google.look(_API, f"/v1/{name}"),
        lambda: google.call(_API, "POST", call["path"], call["json"], call["query"]),
    )
    labels, wanted = found.get("labels", {}), call["json"]["labels"]
    if wanted.items() - labels.items():  # kept by a destroy, and the rest is in another region now
        google.call(_API, "PATCH", f"/v1/{name}", {"labels": labels | wanted}, {"updateMask": "labels"})
    return name


def ensure_value(google: Google, name: str, call: Json) -> str:
    """Add a version unless the newest has the value already; return the newest one's number.

    Who may write secrets and not read them gets a version at each deploy: nobody can compare.
    """
    wanted = call["json"]["payload"]["data"]

    def newest() -> Json | None:
        return google.look(_API, f"/v1/{name}/versions/latest:access")

    def same() -> str | None:
        found = newest()
        is_same = found is not None and found.get("payload", {}).get("data") == wanted
        return str(found["name"]).rpartition("/")[2] if found is not None and is_same else None

    try:
        return ensure(same, lambda: google.call(_API, "POST", call["path"], call["json"]))
    except PlexError as error:
        if not is_forbidden(error) or "versions.access" not in error.message:
            raise
        return str(google.call(_API, "POST", call["path"], call["json"])["name"]).rpartition("/")[2]
