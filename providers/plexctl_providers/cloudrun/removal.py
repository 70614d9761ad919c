"""Destroying a deployment: each thing deleted, and read back as gone before it is said to be.

A plain destroy leaves what a next deploy uses again and says so; everything else goes, and what it added to things that
are not its own is taken away again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from plexctl.errors import PlexError, ProviderError
from plexctl.model import MANAGED_BY, Kept, Ref, Removal, Resource
from plexctl_providers.cloudrun import surroundings
from plexctl_providers.cloudrun.answers import Json, polls
from plexctl_providers.cloudrun.buckets import bucket_path, remove_bucket
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.errors import is_absent, is_disabled
from plexctl_providers.cloudrun.image_build import cancel_builds
from plexctl_providers.cloudrun.place import ID_LABEL, IMAGES, REGION_KEY, Place, is_ours
from plexctl_providers.cloudrun.policies import Guarded, deny, is_allowed
from plexctl_providers.cloudrun.requests import SERVICE
from plexctl_providers.cloudrun.search import inventory, place_of, services_in

_GONE_S = 1.0
"""Between the end of a delete and its being gone for readers."""
_REGISTRY = "artifactregistry"
_ORDER = (
    SERVICE,
    surroundings.WEIGHTS_ACCESS,
    surroundings.WEIGHTS_BUCKET,
    surroundings.SOURCE_BUCKET,
    IMAGES,
    surroundings.SECRET,
    surroundings.REPOSITORY,
)
"""What bills most goes first; what something else needs goes after it."""
_KEPT = {
    IMAGES: "the next deploy need not build it; about 0.10 USD a GB a month (from memory); --all removes it",
    surroundings.SECRET: "the next deploy uses it; 0.06 USD a version a month (from memory); --all removes it",
    surroundings.REPOSITORY: "deployments share it; it costs what its images cost; --all removes it when it is empty",
}


def destroy(google: Google, ref: Ref, *, everything: bool) -> Removal:
    """Remove a deployment. Raises ProviderError for what Google said was deleted, and is still there.

    What the journal knows as made is looked up by its own name too: what is there without our label is not touched, and
    is no success either.
    """
    place = place_of(google, ref)
    if place is None:
        return Removal()
    there = inventory(google, place, (ref.name, ref.id))
    added, strange = _recorded_only(google, ref, {(one.kind, one.name) for one in there})
    _without_api(lambda: cancel_builds(google, place.project, ref.label))
    removed: list[Resource] = []
    kept: list[Kept] = []
    for one in sorted([*there, *added], key=lambda found: _ORDER.index(found.kind)):
        why = _reason_to_keep(google, place, ref, one, everything=everything)
        if why is not None:
            kept.append(Kept(one.kind, one.name, why))
        elif _remove(google, one, ref):
            removed.append(one)
    if strange:
        named = " and ".join(f"the {one.kind} {one.name}" for one in strange)
        again = f"{MANAGED_BY[0]}={MANAGED_BY[1]}, {ID_LABEL}={ref.id}"
        raise ProviderError(
            f"{named} is there, without plexctl's label: it may bill",
            hint=f"remove it by hand, or label it again ({again}) and destroy again",
        )
    return Removal(tuple(removed), tuple(kept))


def leave_other_regions(google: Google, ref: Ref, place: Place) -> None:
    """Remove what a destroy kept in a region where the deployment lives no longer: nobody would look for it there."""
    for kind in (IMAGES, surroundings.REPOSITORY):
        for one in ref.resources:
            elsewhere = one.detail.get(REGION_KEY, place.region) != place.region
            if one.kind != kind or one.id is None or not elsewhere or _look(google, one) is None:
                continue
            if _reason_to_keep(google, place, ref, one, everything=True) is None:
                _remove(google, one, ref)


def _recorded_only(
    google: Google, ref: Ref, known: Collection[tuple[str, str]]
) -> tuple[list[Resource], list[Resource]]:
    """Return what is there and only the journal knows: what has no label of its own, and what lacks ours.

    A right, a repository of others and the image in it, which is called after the deployment, have none.
    """
    ours: list[Resource] = []
    strange: list[Resource] = []
    for one in ref.resources:
        if (one.kind, one.name) in known:
            continue
        if one.kind == surroundings.WEIGHTS_ACCESS:
            ours += [one] if "member" in one.detail else []
            continue
        thing = _look(google, one) if one.id else None  # it has an id once it was made, with our labels
        if thing is not None:
            is_sure = one.kind in (surroundings.REPOSITORY, IMAGES) or is_ours(thing, ref.id)
            (ours if is_sure else strange).append(one)
    return ours, strange


def _reason_to_keep(google: Google, place: Place, ref: Ref, one: Resource, *, everything: bool) -> str | None:
    if one.kind == surroundings.WEIGHTS_ACCESS:
        return _other_user(google, place, ref, one.name)
    if one.kind not in _KEPT:
        return None
    if not everything:
        return _KEPT[one.kind]
    if one.kind != surroundings.REPOSITORY:
        return None
    if not is_ours(_look(google, one) or {}):
        return "it is not plexctl's"
    others = list(google.items(_REGISTRY, f"/v1/{one.id}/packages", "packages"))
    return f"it has {len(others)} image(s) of others" if others else None


def _other_user(google: Google, place: Place, ref: Ref, bucket: str) -> str | None:
    """Say which other service mounts the user's own bucket, and may well have its right to by the same account."""
    for service in services_in(google, place.project, place.region):
        name = str(service.get("name", "")).rpartition("/")[2]
        mounted = (one.get("gcs", {}).get("bucket") for one in service.get("template", {}).get("volumes", ()))
        if name != ref.label and bucket in mounted:
            return f"{name} uses the bucket too"
    return None


def _remove(google: Google, one: Resource, ref: Ref) -> bool:
    """Delete one thing and read back; return whether it was there."""
    if one.kind == surroundings.WEIGHTS_ACCESS:
        thing = Guarded("storage", bucket_path(one.name))
        changed = deny(google, thing, one.detail["role"], one.detail["member"])
        _until_gone(one, lambda: is_allowed(google, thing, one.detail["role"], one.detail["member"]))
        return changed
    if one.kind in _BUCKETS:
        removed = remove_bucket(google, one.name, ref.id)
        _until_gone(one, lambda: _look(google, one) is not None)
        return removed
    try:
        _delete(google, one)
    except PlexError as error:
        if not is_absent(error):
            raise
    _until_gone(one, lambda: _look(google, one) is not None)
    return True


def _delete(google: Google, one: Resource) -> None:
    if one.kind == SERVICE:
        google.services.delete(f"{one.id}")
        return
    operation = google.call(_APIS[one.kind], "DELETE", f"/v1/{one.id}")
    google.finish(_APIS[one.kind], "v1", operation, f"delete {one.name}")


def _look(google: Google, one: Resource) -> Json | None:
    """Return a thing as Google has it, by its own name; None when it is not there."""
    if one.kind == SERVICE:
        return google.services.get(f"{one.id}")
    if one.kind in _BUCKETS:
        return google.look("storage", bucket_path(one.name))
    return google.look(_APIS[one.kind], f"/v1/{one.id}")


_BUCKETS = (surroundings.WEIGHTS_BUCKET, surroundings.SOURCE_BUCKET)
_APIS = {IMAGES: _REGISTRY, surroundings.REPOSITORY: _REGISTRY, surroundings.SECRET: "secretmanager"}


def _until_gone(one: Resource, is_there: Callable[[], bool]) -> None:
    for _ in polls(_GONE_S):
        if not is_there():
            return
    raise ProviderError(
        f"Google says that the {one.kind} {one.name} is deleted, and it is still there: it may bill",
        hint="destroy it again, or delete it by hand",
    )


def _without_api(call: Callable[[], None]) -> None:
    """Do what has nothing to do where the API is off."""
    try:
        call()
    except PlexError as error:
        if not is_disabled(error):
            raise
