"""Names on Google Cloud, what is not known yet as placeholders, and the form of a call."""

from __future__ import annotations

from collections.abc import Mapping

from plexctl.model import Offer
from plexctl.spec import Spec
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import label
from plexctl_providers.cloudrun.accelerators import region_of

PROJECT = "GOOGLE_CLOUD_PROJECT"
PROJECT_NUMBER = "GOOGLE_CLOUD_PROJECT_NUMBER"
CONTEXT = "PLEXCTL_CONTEXT"
"""What `image.context_tag` says of the files that the image is built from."""
DIGEST = "PLEXCTL_IMAGE_DIGEST"
"""What the registry says of the image: `sha256:` and 64 digits."""
LONGEST_SERVICE = 49
"""Characters of a service's id; it takes the project's number and region into a host's name of 63."""


def call(
    api: str, method: str, path: str, json: object = None, query: Mapping[str, str] | None = None
) -> dict[str, object]:
    """Return one request to `https://<api>.googleapis.com`."""
    body: dict[str, object] = {"method": method, "host": f"{api}.googleapis.com", "path": path}
    return body | ({"query": dict(query)} if query else {}) | ({} if json is None else {"json": json})


def project(spec: Spec) -> str:
    """Return the project's id, or its placeholder."""
    return spec.cloudrun.project or placeholder(PROJECT)


def location(spec: Spec, offer: Offer) -> str:
    """Return the parent of what lives in a region."""
    return f"projects/{project(spec)}/locations/{region_of(offer)}"


def account_member(spec: Spec) -> str:
    """Return whom the service runs as, as IAM names it: the project's default account when the spec names none."""
    default = f"{placeholder(PROJECT_NUMBER)}-compute@developer.gserviceaccount.com"
    return f"serviceAccount:{spec.cloudrun.service_account or default}"


def secret_id(spec: Spec, name: str) -> str:
    """Return the id of the secret for a variable of the gateway's."""
    return f"{label(spec)}-{name}"


def source_bucket(spec: Spec) -> str:
    """Return the bucket for what the image is built from."""
    return f"{label(spec)}-source"


def weights_bucket(spec: Spec) -> str:
    """Return the bucket for the weights: the user's, or one of the deployment's own."""
    return spec.cloudrun.bucket or f"{label(spec)}-weights"


def tagged_image(spec: Spec, offer: Offer) -> str:
    """Return the image to build; its tag says what it was built from, so that an unchanged one is not built again."""
    place = f"{region_of(offer)}-docker.pkg.dev/{project(spec)}/{spec.cloudrun.repository}"
    return f"{place}/{label(spec)}:{placeholder(CONTEXT)}"


def image_to_run(spec: Spec, offer: Offer) -> str:
    """Return the image that the service names: the user's, or the one that was built, by its digest."""
    return spec.image.name or f"{tagged_image(spec, offer).rpartition(':')[0]}@{placeholder(DIGEST)}"
