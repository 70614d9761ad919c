"""Buckets: made once, emptied and deleted. A bucket whose labels are not this deployment's is never touched."""

from __future__ import annotations

from urllib.parse import quote

from plexctl.errors import ConflictError, PlexError
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.errors import is_absent
from plexctl_providers.cloudrun.making import ensure
from plexctl_providers.cloudrun.place import is_ours

_API = "storage"


def bucket_path(name: str) -> str:
    """Return the path of a bucket."""
    return f"/storage/v1/b/{name}"


def full_name(name: str) -> str:
    """Return a bucket's full name; its project is not a part of it."""
    return f"projects/_/buckets/{name}"


def ensure_bucket(google: Google, call: Json, ref_id: str) -> str:
    """Make the bucket unless it is there; return its full name. Raises ConflictError when it is somebody else's."""
    name = call["json"]["name"]
    found = ensure(
        lambda: google.look(_API, bucket_path(name)),
        lambda: google.call(_API, "POST", call["path"], call["json"], call["query"]),
    )
    if not is_ours(found, ref_id):
        raise ConflictError(f"the bucket {name} is not this deployment's", hint="choose another --name")
    return full_name(name)


def remove_bucket(google: Google, name: str, ref_id: str) -> bool:
    """Empty and delete a bucket of this deployment's; return whether there was one."""
    found = google.look(_API, bucket_path(name))
    if found is None or not is_ours(found, ref_id):
        return False
    for one in list(google.items(_API, f"{bucket_path(name)}/o", "items")):
        _delete(google, f"{bucket_path(name)}/o/{quote(one['name'], safe='')}")
    if found.get("hierarchicalNamespace", {}).get("enabled"):
        folders = [str(one["name"]) for one in google.items(_API, f"{bucket_path(name)}/folders", "items")]
        for folder in sorted(folders, key=len, reverse=True):
            _delete(google, f"{bucket_path(name)}/folders/{quote(folder, safe='')}")
    _delete(google, bucket_path(name))
    return True


def _delete(google: Google, path: str) -> None:
    try:
        google.call(_API, "DELETE", path)
    except PlexError as error:
        if not is_absent(error):
            raise
