"""What a service needs around it: APIs, an image built from source, secrets, buckets, and who may use them.

A policy's body is what is added to the policy that is there: whoever sends it reads that first and keeps its etag.
"""

from __future__ import annotations

from collections.abc import Iterator

from plexctl.model import MANAGED_BY, Offer, PlannedResource
from plexctl.spec import Spec
from plexctl_providers._common.offers import profile_for
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import label, labels
from plexctl_providers.cloudrun.accelerators import region_of
from plexctl_providers.cloudrun.names import (
    CONTEXT,
    account_member,
    call,
    location,
    project,
    secret_id,
    source_bucket,
    tagged_image,
    weights_bucket,
)
from plexctl_providers.cloudrun.place import REGION_LABEL

APIS = "apis"
REPOSITORY = "repository"
SECRET = "secret"  # noqa: S105 - a kind of resource
SECRET_VERSION = "secret-version"  # noqa: S105 - the same
SECRET_ACCESS = "secret-access"  # noqa: S105 - the same
SOURCE_BUCKET = "source-bucket"
SOURCE = "source"
BUILD = "image"
"""The image is what there is of a build afterwards."""
WEIGHTS_BUCKET = "weights-bucket"
WEIGHTS_ACCESS = "weights-access"
INVOKER = "invoker"
INVOKER_ROLE = "roles/run.invoker"
EVERYONE = "allUsers"
_BUILD_TIMEOUT_S = 3600
"""Torch alone is several GB of wheels."""


def apis(spec: Spec, *, builds: bool) -> PlannedResource:
    """Return the APIs to enable; they stay enabled."""
    needed = ["run", "secretmanager", "storage", "logging", *(["artifactregistry", "cloudbuild"] if builds else [])]
    json = {"serviceIds": [f"{name}.googleapis.com" for name in sorted(needed)]}
    path = f"/v1/projects/{project(spec)}/services:batchEnable"
    return PlannedResource(APIS, project(spec), call("serviceusage", "POST", path, json))


def image(spec: Spec, offer: Offer) -> Iterator[PlannedResource]:
    """Yield repository, source and build. The repository serves all deployments, so it has no deployment's label."""
    repository = {
        "format": "DOCKER",
        "description": "Images of plexctl's deployments",
        "labels": {MANAGED_BY[0]: MANAGED_BY[1]},
    }
    path = f"/v1/{location(spec, offer)}/repositories"
    name = spec.cloudrun.repository
    query = {"repositoryId": name}
    yield PlannedResource(REPOSITORY, name, call("artifactregistry", "POST", path, repository, query))
    yield PlannedResource(SOURCE_BUCKET, source_bucket(spec), _bucket(spec, offer, source_bucket(spec)))
    upload = call(
        "storage",
        "POST",
        f"/upload/storage/v1/b/{source_bucket(spec)}/o",
        query={"uploadType": "media", "name": _source_object()},
    )
    made_of = {"profile": profile_for(spec, offer).name, "base": spec.image.base, "templates": spec.templates.folder}
    content = {"content": "image/ as tar.gz", "contentType": "application/gzip", "madeOf": made_of}
    yield PlannedResource(SOURCE, _source_object(), upload | content)
    path = f"/v1/projects/{project(spec)}/builds"
    yield PlannedResource(BUILD, label(spec), call("cloudbuild", "POST", path, build(spec, offer)))


def build(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return the build: the Dockerfile as it is. A private pool or a region's own builders have quotas of their own."""
    name = tagged_image(spec, offer)
    return {
        "source": {"storageSource": {"bucket": source_bucket(spec), "object": _source_object()}},
        "steps": [{"name": "gcr.io/cloud-builders/docker", "args": ["build", "--tag", name, "."]}],
        "images": [name],
        "timeout": f"{_BUILD_TIMEOUT_S}s",
        "options": {"machineType": "E2_HIGHCPU_8", "diskSizeGb": "100", "logging": "CLOUD_LOGGING_ONLY"},
        "tags": [label(spec)],
    }


def secrets(spec: Spec, offer: Offer, names: tuple[str, ...]) -> Iterator[PlannedResource]:
    """Yield each secret, its value (base64, as the API asks) and who may read it."""
    where = {REGION_LABEL: region_of(offer)}  # a secret lives in no region: it tells where the rest is
    for name in names:
        secret = secret_id(spec, name)
        parent = f"/v1/projects/{project(spec)}/secrets"
        json: dict[str, object] = {"replication": {"automatic": {}}, "labels": labels(spec) | where}
        yield PlannedResource(SECRET, secret, call("secretmanager", "POST", parent, json, {"secretId": secret}))
        json = {"payload": {"data": placeholder(f"{name}_BASE64")}}
        version = call("secretmanager", "POST", f"{parent}/{secret}:addVersion", json)
        yield PlannedResource(SECRET_VERSION, secret, version)
        json = {"policy": _policy("roles/secretmanager.secretAccessor", account_member(spec))}
        access = call("secretmanager", "POST", f"{parent}/{secret}:setIamPolicy", json)
        yield PlannedResource(SECRET_ACCESS, secret, access)


def weights(spec: Spec, offer: Offer) -> Iterator[PlannedResource]:
    """Yield the bucket, unless it is the user's own, and the service's right to write there."""
    name = weights_bucket(spec)
    if spec.cloudrun.bucket is None:
        # Folders that are real ones make the rename of a whole download one step instead of a copy.
        yield PlannedResource(
            WEIGHTS_BUCKET, name, _bucket(spec, offer, name, {"hierarchicalNamespace": {"enabled": True}})
        )
    json = _policy("roles/storage.objectUser", account_member(spec))
    yield PlannedResource(WEIGHTS_ACCESS, name, call("storage", "PUT", f"/storage/v1/b/{name}/iam", json))


def invoker(spec: Spec, offer: Offer) -> PlannedResource:
    """Return everyone's right to call: the gateway asks for its token."""
    path = f"/v2/{location(spec, offer)}/services/{label(spec)}:setIamPolicy"
    json = {"policy": _policy(INVOKER_ROLE, EVERYONE)}
    return PlannedResource(INVOKER, label(spec), call("run", "POST", path, json))


def _bucket(spec: Spec, offer: Offer, name: str, more: dict[str, object] | None = None) -> dict[str, object]:
    """Return the call for a bucket in the service's region. Deleted weights are gone at once: kept ones would bill."""
    json = {
        "name": name,
        "location": region_of(offer),
        "storageClass": "STANDARD",
        "iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}, "publicAccessPrevention": "enforced"},
        "softDeletePolicy": {"retentionDurationSeconds": "0"},
        "labels": labels(spec),
        **(more or {}),
    }
    return call("storage", "POST", "/storage/v1/b", json, {"project": project(spec)})


def _source_object() -> str:
    return f"source-{placeholder(CONTEXT)}.tar.gz"


def _policy(role: str, member: str) -> dict[str, object]:
    return {"bindings": [{"role": role, "members": [member]}]}
