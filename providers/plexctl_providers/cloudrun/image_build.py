"""The image: its source packed and stored, built by Cloud Build, and found again in the registry by its tag."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote

from plexctl.errors import ProviderError
from plexctl.images import context_files
from plexctl.images.archive import tar_of
from plexctl.images.profiles import PROFILES
from plexctl.spec import Image, Spec, Templates
from plexctl_providers.cloudrun.answers import Json, polls
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.context import context_tag
from plexctl_providers.cloudrun.logs import build_lines
from plexctl_providers.cloudrun.making import ensure

_BUILD_S = 3700.0
"""A little longer than the build's own time-out."""
_LAST_LINES = 20
_GOES_ON = frozenset({"STATUS_UNKNOWN", "PENDING", "QUEUED", "WORKING"})
_DONE = "SUCCESS"


def context_of(source: Mapping[str, object]) -> dict[str, str]:
    """Return the files that the plan's image is built from."""
    made_of = cast("Mapping[str, Any]", source["madeOf"])
    spec = Spec(image=Image(base=made_of["base"]), templates=Templates(folder=made_of["templates"]))
    return context_files(spec, PROFILES[made_of["profile"]])


def tag_of(files: Mapping[str, str]) -> str:
    """Return the tag that says what an image was built from."""
    return context_tag(files)


def ensure_repository(google: Google, name: str, call: Json) -> None:
    """Make the repository unless it is there; deployments share it."""

    def make() -> None:
        operation = google.call("artifactregistry", "POST", call["path"], call["json"], call["query"])
        google.finish("artifactregistry", "v1", operation, f"make the repository {name}")

    ensure(lambda: google.look("artifactregistry", f"/v1/{name}"), make)


def digest(google: Google, repository: str, package: str, tag: str) -> str | None:
    """Return the digest of a tagged image, `sha256:` and 64 digits; None when there is none."""
    found = google.get("artifactregistry", f"/v1/{repository}/packages/{package}/tags/{tag}")
    return None if found is None else str(found["version"]).rpartition("/")[2]


def require(found: str | None, label: str) -> str:
    """Return the digest. Raises ProviderError when the registry has no image after all."""
    if found is None:
        raise ProviderError(f"Cloud Build says that the image {label} is built, and the registry does not have it")
    return found


def ensure_source(google: Google, call: Json, files: Mapping[str, str]) -> None:
    """Store what the image is built from, unless it is there: its name says what is in it."""
    bucket = call["path"].split("/")[5]
    name = call["query"]["name"]
    # Without a time in it, so that the same files are the same bytes.
    content = gzip.compress(tar_of(files), mtime=0)
    google.context.progress(f"uploading the image's source ({len(content) / 1000:.0f} kB)")
    ensure(
        lambda: google.look("storage", f"/storage/v1/b/{bucket}/o/{quote(name, safe='')}"),
        lambda: google.upload(call["path"], call["query"], content, call["contentType"]),
    )


def build(google: Google, call: Json, project: str, label: str) -> None:
    """Build the image, or wait for the build of it that runs. Raises ProviderError with the build's last lines."""
    image = call["json"]["images"][0]

    before = {one["id"] for one in builds_of(google, project, label) if one.get("status") not in _GOES_ON}

    def ours() -> Json | None:
        every = (one for one in builds_of(google, project, label) if one["id"] not in before)
        return next((one for one in every if one.get("images") == [image]), None)

    one = ensure(ours, lambda: google.call("cloudbuild", "POST", call["path"], call["json"]))
    _follow(google, project, str(one["id"]))


def builds_of(google: Google, project: str, label: str) -> list[Json]:
    """Return the builds of a deployment, by their tag."""
    query = {"filter": f'tags="{label}"'}
    return list(google.items("cloudbuild", f"/v1/projects/{project}/builds", "builds", query))


def cancel_builds(google: Google, project: str, label: str) -> None:
    """End the builds of a deployment that still run: they bill by the minute."""
    for one in builds_of(google, project, label):
        if one.get("status") in _GOES_ON and label in one.get("tags", ()):
            google.call("cloudbuild", "POST", f"/v1/projects/{project}/builds/{one['id']}:cancel", {})


def _follow(google: Google, project: str, build_id: str) -> None:
    said: tuple[str, str] | None = None
    status, found = "", Json()
    for gone_s in polls(_BUILD_S):
        found = google.call("cloudbuild", "GET", f"/v1/projects/{project}/builds/{build_id}")
        status = str(found.get("status", ""))
        if status not in _GOES_ON:
            break
        line = next(iter(build_lines(google, project, build_id, 1)), "")
        if (status, line) != said:
            google.context.progress(f"building the image ({status.lower()}, {gone_s:.0f} s): {line}")
        said = (status, line)
    else:
        raise ProviderError(f"the build {build_id} did not end within {_BUILD_S:g} s")
    if status == _DONE:
        return
    lines = build_lines(google, project, build_id, _LAST_LINES)
    detail = found.get("failureInfo", {}).get("detail") or found.get("statusDetail") or "it does not say why"
    raise ProviderError(
        f"the image was not built: {status.lower()}: {detail}; its last words: {' / '.join(lines[-3:]) or 'none'}",
        hint=f"see the whole log: {found.get('logUrl', 'on the page of Cloud Build')}",
        data={"log": lines},
    )
