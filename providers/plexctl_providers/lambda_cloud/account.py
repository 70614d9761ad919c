"""What is in an account at Lambda: instances, ssh keys, rulesets and file systems, one call each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from plexctl.errors import PlexError
from plexctl.model import Ref
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers.lambda_cloud.answers import (
    FileSystem,
    Image,
    Instance,
    InstanceType,
    Ruleset,
    SshKey,
    file_system_of,
    image_of,
    instance_of,
    launched_in,
    rows_of,
    ruleset_of,
    ssh_key_of,
    types_of,
)
from plexctl_providers.lambda_cloud.client import LAUNCH, Client
from plexctl_providers.lambda_cloud.errors import is_absent, understood
from plexctl_providers.lambda_cloud.offers import TYPES
from plexctl_providers.lambda_cloud.states import GONE

Row = TypeVar("Row")
INSTANCES, TERMINATE = "/instances", "/instance-operations/terminate"
KEYS, RULESETS, IMAGES = "/ssh-keys", "/firewall-rulesets", "/images"
FILE_SYSTEMS_READ, FILE_SYSTEMS = "/file-systems", "/filesystems"
"""Lambda reads them by the one path, and makes and deletes them by the other."""


class Account:
    """One account. Every method raises what `Client.call` does."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._images: list[Image] | None = None

    def instances(self) -> list[Instance]:
        """Return every instance of which something is left."""
        found = self._list(INSTANCES, "list instances", instance_of)
        return [one for one in found if one.status not in GONE]

    def instance(self, instance_id: str) -> Instance | None:
        """Return an instance; None when Lambda does not know it."""
        action = "read the instance"
        try:
            data = self.client.get(f"{INSTANCES}/{quote(instance_id, safe='')}", action)
        except PlexError as error:
            if is_absent(error):
                return None
            raise
        with understood(action):
            return instance_of(data)

    def instances_of(self, ref: Ref) -> list[Instance]:
        """Return a deployment's instances, of which something is left: by name, by tags, and by what is recorded.

        A list may be behind: what is told by its id alone counts.
        """
        listed = [one for one in self.instances() if _is_of(one, ref)]
        recorded = {one.id for one in ref.resources if one.kind == INSTANCE and one.id}
        more = [self.instance(number) for number in sorted(recorded - {one.id for one in listed})]
        return [*listed, *(one for one in more if one is not None and one.status not in GONE)]

    def launch(self, body: Mapping[str, object]) -> str:
        """Launch one instance and return its id."""
        action = "launch an instance"
        data = self.client.call("POST", LAUNCH, action, body)
        with understood(action):
            return launched_in(data)

    def terminate(self, instance_id: str) -> None:
        """Ask for an instance's end."""
        self.client.call("POST", TERMINATE, "terminate the instance", {"instance_ids": [instance_id]})

    def ssh_keys(self) -> list[SshKey]:
        """Return every key of the account."""
        return self._list(KEYS, "list ssh keys", ssh_key_of)

    def add_ssh_key(self, body: Mapping[str, object]) -> SshKey:
        """Add a key."""
        return self._create(KEYS, "add the ssh key", body, ssh_key_of)

    def rulesets(self) -> list[Ruleset]:
        """Return every ruleset of the account."""
        return self._list(RULESETS, "list firewall rulesets", ruleset_of)

    def create_ruleset(self, body: Mapping[str, object]) -> Ruleset:
        """Make a ruleset."""
        return self._create(RULESETS, "create the firewall ruleset", body, ruleset_of)

    def change_rules(self, ruleset_id: str, rules: Iterable[Mapping[str, object]]) -> None:
        """Give a ruleset other rules."""
        path, body = f"{RULESETS}/{quote(ruleset_id, safe='')}", {"rules": [dict(rule) for rule in rules]}
        self.client.call("PATCH", path, "change the firewall ruleset", body)

    def file_systems(self) -> list[FileSystem]:
        """Return every file system of the account."""
        return self._list(FILE_SYSTEMS_READ, "list file systems", file_system_of)

    def create_file_system(self, body: Mapping[str, object]) -> FileSystem:
        """Make a file system."""
        return self._create(FILE_SYSTEMS, "create the file system", body, file_system_of)

    def images(self) -> list[Image]:
        """Return every image, as it was told first: they do not change while a command runs."""
        if self._images is None:
            self._images = self._list(IMAGES, "list images", image_of)
        return self._images

    def types(self) -> list[InstanceType]:
        """Return every instance type, with the regions that have capacity at this moment."""
        action = "read instance types and capacity"
        data = self.client.get(TYPES, action)
        with understood(action):
            return types_of(data)

    def delete(self, path: str, resource_id: str, action: str) -> None:
        """Delete something; that it is gone already is success."""
        try:
            self.client.call("DELETE", f"{path}/{quote(resource_id, safe='')}", action)
        except PlexError as error:
            if not is_absent(error):
                raise

    def _list(self, path: str, action: str, read: Callable[[Any], Row]) -> list[Row]:
        data = self.client.get(path, action)
        with understood(action):
            return [read(row) for row in rows_of(data)]

    def _create(self, path: str, action: str, body: Mapping[str, object], read: Callable[[Any], Row]) -> Row:
        data = self.client.call("POST", path, action, body)
        with understood(action):
            return read(data)


def _is_of(instance: Instance, ref: Ref) -> bool:
    recorded = {one.id for one in ref.resources if one.kind == INSTANCE and one.id}
    return instance.id in recorded or instance.name == ref.label or instance.identity == (ref.name, ref.id)
