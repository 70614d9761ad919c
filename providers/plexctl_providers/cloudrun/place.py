"""Where a deployment's resources live, and what they are called in full. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from plexctl.model import MANAGED_BY, Ref, Resource
from plexctl_providers.cloudrun.accelerators import ACCELERATORS, ANY_REGION

PROJECT_KEY, REGION_KEY = "project", "region"
NAME_LABEL, ID_LABEL, REGION_LABEL = "plexctl-name", "plexctl-id", "plexctl-region"
IMAGES = "image"
"""The kind of an image in the registry: all versions of one deployment's."""


@dataclass(frozen=True, slots=True)
class Place:
    """A project and a region in it."""

    project: str
    region: str

    @property
    def location(self) -> str:
        """The parent of what lives in a region."""
        return f"projects/{self.project}/locations/{self.region}"

    def service(self, label: str) -> str:
        """Return the full name of a service."""
        return f"{self.location}/services/{label}"

    def repository(self, name: str) -> str:
        """Return the full name of a repository."""
        return f"{self.location}/repositories/{name}"

    def secret(self, name: str) -> str:
        """Return the full name of a secret, which lives in no region."""
        return f"projects/{self.project}/secrets/{name}"

    @property
    def detail(self) -> dict[str, str]:
        """The place as the journal keeps it beside a resource."""
        return {PROJECT_KEY: self.project, REGION_KEY: self.region}


def known_regions() -> tuple[str, ...]:
    """Return the regions with GPUs, and the one for what needs none."""
    every = {region for gpu in ACCELERATORS.values() for region in (*gpu.regions, *gpu.invited)}
    return tuple(sorted({ANY_REGION, *every}))


def recorded_place(ref: Ref) -> Place | None:
    """Return where the journal says that a deployment lives, its service before all; None when it does not say."""
    for resource in sorted(ref.resources, key=lambda one: one.kind != "service"):
        if PROJECT_KEY in resource.detail and REGION_KEY in resource.detail:
            return Place(resource.detail[PROJECT_KEY], resource.detail[REGION_KEY])
    ids = (resource.id.split("/") for resource in ref.resources if resource.id)
    return next((Place(parts[1], parts[3]) for parts in ids if parts[0::2][:2] == ["projects", "locations"]), None)


def is_ours(thing: Mapping[str, object], ref_id: str | None = None) -> bool:
    """Tell whether labels say that something is plexctl's, and of this deployment."""
    found = thing.get("labels")
    labels: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    return labels.get(MANAGED_BY[0]) == MANAGED_BY[1] and ref_id in (None, labels.get(ID_LABEL))


def owner_of(thing: Mapping[str, object]) -> tuple[str, str] | None:
    """Return the deployment's name and id, from the labels; None for what is nobody's of plexctl."""
    found = thing.get("labels")
    labels: Mapping[str, object] = found if isinstance(found, Mapping) else {}
    name, ref_id = labels.get(NAME_LABEL), labels.get(ID_LABEL)
    return (name, ref_id) if is_ours(thing) and isinstance(name, str) and isinstance(ref_id, str) else None


def named(kind: str, name: str, full_name: str, place: Place) -> Resource:
    """Return a resource with all that a destroy needs to find it."""
    return Resource(kind, name, full_name, place.detail)
