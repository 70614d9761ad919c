"""Instances and ssh keys of the Public Cloud: found by name, changed once, read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from plexctl.errors import PlexError, ProviderError
from plexctl.model import Ref, Resource
from plexctl.side_by_side import ask_all
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers.ovh.client import Client, Json, project_path
from plexctl_providers.ovh.errors import is_absent, is_lost, nonsense
from plexctl_providers.ovh.instance import SSH_KEY
from plexctl_providers.ovh.instance_offers import read_flavours
from plexctl_providers.ovh.instance_rows import BROKEN, GONE, LEAVING, SHELVED, Instance, instance_of, read_ref
from plexctl_providers.ovh.names import PLACE_PROJECT, PLACE_REGION

_POLL_S = 2.0
_READ_BACK_S = 600.0
"""How long a delete or a shelving, which makes an image of the disk, may take until it is seen."""
_LOST_S = 30.0
"""How long something is looked for whose create was not answered."""
_DEADLINE_S = 60.0
"""For asking all regions side by side."""
_LIST, _LIST_KEYS = "list the instances", "list the ssh keys"
T = TypeVar("T")


class Instances:
    """The instances and keys of one account."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def everywhere(self, project: str) -> list[Instance]:
        """Return the instances of a project, region by region: where flavours are, instances can be."""
        regions = sorted({one.region for one in read_flavours(self.client, project, None) if one.region})
        asked = {region: _asking(self.inside, project, region) for region in regions}
        found: list[Instance] = []
        for answer in ask_all(asked, _DEADLINE_S).values():
            if isinstance(answer, TimeoutError):
                raise ProviderError(f"cannot {_LIST}: {answer}", hint="check the network, and try again")
            if isinstance(answer, Exception):
                raise answer
            found += answer
        return found

    def inside(self, project: str, region: str) -> list[Instance]:
        """Return the instances of one region, but for those that are gone."""
        path = project_path(project, "region", region, "instance")
        try:
            rows = self.client.rows(path, _LIST)
        except PlexError as error:
            # A region that the project has not activated.
            if is_absent(error):
                return []
            raise
        found = [_known(row, project, region, _LIST) for row in rows]
        return [one for one in found if one.state not in GONE]

    def get(self, project: str, region: str, instance_id: str) -> Instance | None:
        """Return one instance, or None when it is gone."""
        action = f"read instance {instance_id}"
        row = self.client.found(project_path(project, "region", region, "instance", instance_id), action)
        found = None if row is None else _known(row, project, region, action)
        return None if found is None or found.state in GONE else found

    def of(self, ref: Ref, place: tuple[str, str] | None = None) -> list[Instance]:
        """Return a deployment's instances, those recorded first: where they are recorded, else wherever they are."""
        recorded = {one.id for one in ref.resources if one.kind == INSTANCE and one.id}
        places = {(one.detail[PLACE_PROJECT], one.detail[PLACE_REGION]) for one in ref.resources if _is_placed(one)}
        places |= {place} if place else set()
        if places:
            found = [one for project, region in sorted(places) for one in self.inside(project, region)]
        else:
            found = [one for project in self.client.projects() for one in self.everywhere(project)]
        mine = [one for one in found if one.id in recorded or one.name == ref.label]
        return sorted(mine, key=lambda one: (one.id not in recorded, one.id))

    def refs(self, project: str) -> list[Ref]:
        """Return plexctl's deployments in a project, by instances and by ssh keys that an instance has left behind."""
        refs = [ref for one in self.everywhere(project) if (ref := read_ref(one)) is not None]
        for row in self.keys(project):
            name = str(row.get("name") or "")
            shaped = Instance("", name, project, "", "", "", ())
            ref = read_ref(shaped)
            if ref is not None:
                refs.append(Ref("ovh", ref.name, ref.id, (key_resource(row, project),)))
        return refs

    def keys(self, project: str) -> list[Json]:
        """Return the ssh keys of a project."""
        return self.client.rows(project_path(project, "sshkey"), _LIST_KEYS)

    def keys_of(self, ref: Ref, projects: set[str]) -> list[tuple[str, Json]]:
        """Return a deployment's ssh keys, each with its project."""
        found = [(project, row) for project in sorted(projects) for row in self.keys(project)]
        return [(project, row) for project, row in found if row.get("name") == ref.label]

    def delete_key(self, project: str, row: Json) -> None:
        """Delete an ssh key and read back. Raises ProviderError for one that is still there."""
        key_id = str(row.get("id") or "")
        if not key_id:
            raise nonsense(_LIST_KEYS, "a key without an id")
        self._tell("DELETE", project_path(project, "sshkey", key_id), f"delete ssh key {key_id}")
        if not self._look_until(lambda: all(one.get("id") != key_id for one in self.keys(project))):
            words = f"ssh key {row.get('name')} was deleted, and is still there"
            raise ProviderError(words, hint="it costs nothing: try again, or delete it in OVHcloud's control panel")

    def delete(self, instance: Instance) -> None:
        """Delete an instance and read back. Raises ProviderError for one that is still there."""
        if instance.state not in LEAVING:
            path = project_path(instance.project, "instance", instance.id)
            self._tell("DELETE", path, f"delete instance {instance.id}")
        if not self._look_until(lambda: self._again(instance) is None):
            seen = self._again(instance)
            words = f"instance {instance.id} was deleted, and OVHcloud says {seen.state if seen else 'gone'}"
            raise ProviderError(
                words, hint="it bills on: `plexctl destroy` again, or delete it in OVHcloud's control panel"
            )

    def shelve(self, instance: Instance) -> None:
        """Shelve an instance and read back; one that is broken is deleted, since it cannot be shelved and bills.

        Raises ProviderError for one that is not on the shelf in time.
        """
        if instance.state in SHELVED:
            return
        if instance.state in (*BROKEN, *LEAVING):
            self.delete(instance)
            return
        if instance.state != "SHELVING":
            self._act(instance, "shelve")
        if not self._look_until(lambda: self._is_on_shelf(instance)):
            seen = self._again(instance)
            words = f"instance {instance.id} was told to shelve, and OVHcloud says {seen.state if seen else 'gone'}"
            raise ProviderError(words, hint="it bills on: try again, or `plexctl destroy` it")

    def wake(self, instance: Instance) -> None:
        """Bring an instance back that is shelved, or start one that is off; returns without waiting."""
        self._act(instance, "unshelve" if instance.state in SHELVED else "start")

    def come_late(self, look: Callable[[], list[T]]) -> list[T]:
        """Look until something is there, for as long as what was not answered may take to show."""
        found: list[T] = []

        def is_there() -> bool:
            found[:] = look()
            return bool(found)

        self._look_until(is_there, _LOST_S)
        return found

    def _is_on_shelf(self, instance: Instance) -> bool:
        seen = self._again(instance)
        return seen is None or seen.state in SHELVED

    def _again(self, instance: Instance) -> Instance | None:
        return self.get(instance.project, instance.region, instance.id)

    def _act(self, instance: Instance, verb: str) -> None:
        path = project_path(instance.project, "instance", instance.id, verb)
        self._tell("POST", path, f"{verb} instance {instance.id}")

    def _tell(self, method: str, path: str, action: str) -> None:
        """Ask for a change; what counts is what is seen afterwards, so that silence is no failure yet."""
        try:
            self.client.change(method, path, action)
        except PlexError as error:
            if not is_absent(error) and not is_lost(error):
                raise

    def _look_until(self, is_so: Callable[[], bool], limit_s: float = _READ_BACK_S) -> bool:
        """Look until it is so; returns False when it is not in time."""
        clock = self.client.clock
        begun = clock.now()
        while not is_so():
            if clock.now() - begun >= limit_s:
                return False
            clock.sleep(_POLL_S)
        return True


def key_resource(row: Mapping[str, Any], project: str) -> Resource:
    """Return an ssh key in the journal's words."""
    return Resource(SSH_KEY, str(row.get("name") or ""), str(row.get("id") or ""), {PLACE_PROJECT: project})


def _asking(ask: Callable[[str, str], list[Instance]], project: str, region: str) -> Callable[[], list[Instance]]:
    return lambda: ask(project, region)


def _is_placed(resource: Resource) -> bool:
    return PLACE_PROJECT in resource.detail and PLACE_REGION in resource.detail


def _known(row: Json, project: str, region: str, action: str) -> Instance:
    try:
        return instance_of(row, project, region)
    except (LookupError, TypeError, AttributeError):
        raise nonsense(action, "no instance") from None
