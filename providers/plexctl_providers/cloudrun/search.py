"""What there is of plexctl's deployments in a project, without any local record: by labels and by names.

Secrets live in no region and say by a label where the rest is; buckets say it themselves; services are asked for in
every region that either names, and in those with GPUs, side by side. Source: `locations/-` is no parent for a list of
services (discovery document of v2).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from plexctl.errors import PlexError
from plexctl.model import CREATED_AT, LABEL_PREFIX, MANAGED_BY, Ref, Resource
from plexctl.side_by_side import ask_all
from plexctl_providers._common.ages import moment_of
from plexctl_providers.cloudrun import surroundings
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.buckets import full_name
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.place import (
    IMAGES,
    REGION_LABEL,
    Place,
    is_ours,
    known_regions,
    named,
    owner_of,
    recorded_place,
)
from plexctl_providers.cloudrun.requests import SERVICE

_DEADLINE_S = 60.0
_OURS = f"labels.{MANAGED_BY[0]}={MANAGED_BY[1]}"


def find(google: Google, project: str, name: str | None) -> list[Ref]:
    """Return the deployments that left anything, each with what there is of it now, by name and id."""
    secrets, buckets = _secrets(google, project), _buckets(google, project)
    regions = {*known_regions(), *(_region(one) for one in [*secrets, *buckets])} - {""}
    services = _services(google, project, regions)
    owners: dict[tuple[str, str], str] = {}
    made: dict[tuple[str, str], str] = {}
    for region, things in [("", secrets), ("", buckets), *services.items()]:
        for thing in things:
            owner = owner_of(thing)
            if owner is not None and name in (None, owner[0]):
                owners[owner] = region or owners.get(owner) or _region(thing)
                made[owner] = max(made.get(owner, ""), str(thing.get("createTime") or thing.get("timeCreated") or ""))
    return [
        Ref("cloudrun", owner[0], owner[1], _aged(inventory(google, Place(project, region), owner), made[owner]))
        for owner, region in sorted(owners.items())
    ]


def _aged(resources: tuple[Resource, ...], youngest: str) -> tuple[Resource, ...]:
    """Return them with the moment at which the youngest that tells it was made, in Google's RFC 3339."""
    return tuple(replace(one, detail={**one.detail, **moment_of(CREATED_AT, youngest)}) for one in resources)


def place_of(google: Google, ref: Ref) -> Place | None:
    """Return where a deployment lives: as recorded, else as found; None when there is nothing of it."""
    recorded = recorded_place(ref)
    if recorded is not None:
        return recorded
    found = (one for one in find(google, google.project(), ref.name) if one.id == ref.id)
    return next((recorded_place(one) for one in found), None)


def inventory(google: Google, place: Place, owner: tuple[str, str]) -> tuple[Resource, ...]:
    """Return what there is of one deployment, in the order of its plan. `owner` is its name and id."""
    ref = Ref("cloudrun", *owner)
    made = [
        named("secret", one["name"].rpartition("/")[2], place.secret(one["name"].rpartition("/")[2]), place)
        for one in _secrets(google, place.project)
        if is_ours(one, ref.id)
    ]
    kept_in = repositories(google, place, ref.label)
    made += [named(surroundings.REPOSITORY, one.rpartition("/")[2], one, place) for one in kept_in]
    made += _bucket(google, place, ref, surroundings.SOURCE_BUCKET)
    images = [f"{one}/packages/{ref.label}" for one, has_image in kept_in.items() if has_image]
    made += [named(IMAGES, ref.label, one, place) for one in images]
    made += _bucket(google, place, ref, surroundings.WEIGHTS_BUCKET)
    service = google.services.get(place.service(ref.label))
    if service is not None and is_ours(service, ref.id):
        made.append(named(SERVICE, ref.label, place.service(ref.label), place))
    return tuple(made)


def repositories(google: Google, place: Place, label: str) -> dict[str, bool]:
    """Return plexctl's repositories of a region that have the image of a deployment, and those that have none at all.

    The values tell which: what is empty is nobody's, and goes with whoever asks for everything to go.
    """
    found = {}
    for one in google.items("artifactregistry", f"/v1/{place.location}/repositories", "repositories"):
        if is_ours(one):
            packages = google.items("artifactregistry", f"/v1/{one['name']}/packages", "packages")
            names = {str(package["name"]).rpartition("/")[2] for package in packages}
            if label in names or not names:
                found[str(one["name"])] = label in names
    return found


def services_in(google: Google, project: str, region: str) -> list[Json]:
    """Return all services of a region, others' too."""
    return list(google.services.every(Place(project, region).location))


def _services(google: Google, project: str, regions: Iterable[str]) -> Mapping[str, list[Json]]:
    asked = {region: (lambda region=region: services_in(google, project, region)) for region in sorted(regions)}
    answers = ask_all(asked, _DEADLINE_S)
    for answer in answers.values():
        if isinstance(answer, Exception) and not _is_no_such_region(answer):
            raise answer
    return {region: answer for region, answer in answers.items() if not isinstance(answer, Exception)}


def _is_no_such_region(error: Exception) -> bool:
    return isinstance(error, PlexError) and "location" in error.message.lower()


def _secrets(google: Google, project: str) -> list[Json]:
    every = google.items("secretmanager", f"/v1/projects/{project}/secrets", "secrets", {"filter": _OURS})
    return [one for one in every if is_ours(one)]


def _buckets(google: Google, project: str) -> list[Json]:
    query = {"project": project, "prefix": LABEL_PREFIX}
    return [one for one in google.items("storage", "/storage/v1/b", "items", query) if is_ours(one)]


def _bucket(google: Google, place: Place, ref: Ref, kind: str) -> list[Resource]:
    name = f"{ref.label}-{kind.removesuffix('-bucket')}"
    found = google.look("storage", f"/storage/v1/b/{name}")
    return [named(kind, name, full_name(name), place)] if found is not None and is_ours(found, ref.id) else []


def _region(thing: Json) -> str:
    return str(thing.get("labels", {}).get(REGION_LABEL) or thing.get("location", "")).lower()
