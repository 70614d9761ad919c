"""Making what an instance needs, and the instance: looked up before, journaled around, never made twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar, cast

from plexctl.contract import DeploymentJournal
from plexctl.errors import ConflictError, PlexError, PreflightError
from plexctl.model import PlannedResource, Ref
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers.lambda_cloud.account import FILE_SYSTEMS, KEYS, Account
from plexctl_providers.lambda_cloud.answers import FileSystem, Instance, Ruleset, SshKey, material_of
from plexctl_providers.lambda_cloud.errors import code_of, is_lost
from plexctl_providers.lambda_cloud.states import ENDING

ORIGIN, MADE, FOUND = "origin", "made", "found"
"""A key of a resource's detail, and its values: whether plexctl made it or it was there before."""
_LATE_S = (0.0, 1.0, 2.0, 4.0)
"""Before each look for something whose create was not answered: it may appear late."""
_LAUNCHES = 3
"""Launches that fail behind Lambda, as long as nothing of them appears."""
_BEHIND = "provider/"


class Made(Protocol):
    """What has an id."""

    @property
    def id(self) -> str:
        """Its id at Lambda."""


Thing = TypeVar("Thing", bound=Made)


class Making:
    """Makes the resources of one deployment."""

    def __init__(self, account: Account, journal: DeploymentJournal) -> None:
        self._account = account
        self._journal = journal

    def ssh_key(self, planned: PlannedResource, body: Mapping[str, Any]) -> SshKey:
        """Return the deployment's key in the account. Two of the same half and name would make every launch fail.

        Raises ConflictError when somebody else's key has its name, which is a hash.
        """
        material = material_of(str(body["public_key"]))

        def mine() -> list[SshKey]:
            found = self._account.ssh_keys()
            if any(key.name == body["name"] and key.material != material for key in found):
                raise ConflictError(
                    f"an ssh key at Lambda is called {body['name']}, and it is another one",
                    hint="delete it: https://cloud.lambda.ai/ssh-keys",
                )
            return [key for key in found if key.material == material]

        there = mine()
        kept = self._ensure(planned.kind, str(body["name"]), mine, lambda: self._account.add_ssh_key(body), there)
        for other in there:
            if other.id != kept.id:  # a create whose answer was lost, and whose key came late
                self._account.delete(KEYS, other.id, "delete the key's double")
        return kept

    def ruleset(self, planned: PlannedResource, body: Mapping[str, Any]) -> Ruleset:
        """Return the deployment's ruleset in the region."""
        name, region = str(body["name"]), body["region"]

        def here() -> list[Ruleset]:
            return [one for one in self._account.rulesets() if one.name == name and one.region == region]

        return self._ensure(planned.kind, name, here, lambda: self._account.create_ruleset(body))

    def file_system(self, planned: PlannedResource, body: Mapping[str, Any]) -> tuple[FileSystem, bool]:
        """Return the file system, and whether it was made now. Raises PreflightError for one in another region."""
        name, region = str(body["name"]), str(body["region"])

        def mine() -> list[FileSystem]:
            return [one for one in self._account.file_systems() if one.name == name]

        there = mine()
        here = [one for one in there if one.region == region]
        if there and not here:
            raise elsewhere(name, there[0].region, region)
        kept = self._ensure(planned.kind, name, mine, lambda: self._account.create_file_system(body), here)
        return kept, not here

    def launch(self, body: Mapping[str, Any]) -> str:
        """Launch the instance, journal it, and return its id.

        A launch whose answer was lost is looked up; where nothing of it appears it is not repeated, unless Lambda
        itself said that something behind it failed.
        """
        ref = self._journal.ref
        detail = {"region": str(body["region_name"]), "instance_type": str(body["instance_type_name"])}
        key = self._journal.intend(INSTANCE, ref.label, detail)
        try:
            launched = self._launched(body, ref)
        except PlexError as error:
            if not is_lost(error):
                self._journal.removed(key)  # refused: nothing was launched
            raise
        self._journal.created(key, launched, detail)
        return launched

    def late(self, ref: Ref) -> list[Instance]:
        """Look for instances that may have been launched, for a few seconds; none when they do not appear."""
        for wait_s in _LATE_S:
            self._account.client.clock.sleep(wait_s)
            found = [one for one in self._account.instances_of(ref) if one.status not in ENDING]
            if found:
                return found
        return []

    def forget_file_system(self, planned: PlannedResource, made: FileSystem) -> None:
        """Delete a file system that was made for an instance that was refused: it is empty, and in this region only."""
        self._account.delete(FILE_SYSTEMS, made.id, "delete the new file system")
        key = self._journal.intend(planned.kind, made.name)
        self._journal.removed(key)

    def _launched(self, body: Mapping[str, Any], ref: Ref) -> str:
        for left in reversed(range(_LAUNCHES)):
            try:
                return self._account.launch(body)
            except PlexError as error:
                if not is_lost(error):
                    raise
                found = self.late(ref)
                if found:
                    return found[0].id
                if not left or not code_of(error).startswith(_BEHIND):
                    hint = "`plexctl deploy` again looks for it by its name before it launches one"
                    error.hint = error.hint if code_of(error).startswith("global/") else hint
                    raise
        raise AssertionError("the last launch returns or raises")

    def _ensure(
        self,
        kind: str,
        name: str,
        look: Callable[[], list[Thing]],
        create: Callable[[], Thing],
        found: list[Thing] | None = None,
    ) -> Thing:
        """Return what is there, or make it; recorded either way."""
        recorded = next((one for one in self._journal.ref.resources if (one.kind, one.name) == (kind, name)), None)
        found = look() if found is None else found
        if not found and recorded is not None and recorded.id is None:
            found = self._appears(look)
        if found:
            mine = [one for one in found if recorded is not None and one.id == recorded.id]
            kept = (mine or sorted(found, key=lambda one: one.id))[0]
            if not mine:
                origin = {ORIGIN: FOUND} if recorded is None else recorded.detail
                self._journal.created(self._journal.intend(kind, name, origin), kept.id)
            return kept
        key = self._journal.intend(kind, name, {ORIGIN: MADE})
        try:
            made = create()
        except PlexError as error:
            if not is_lost(error):
                self._journal.removed(key)
                raise
            late = self._appears(look)
            if not late:
                raise
            made = late[0]
        self._journal.created(key, made.id)
        return made

    def _appears(self, look: Callable[[], list[Thing]]) -> list[Thing]:
        for wait_s in _LATE_S:
            self._account.client.clock.sleep(wait_s)
            found = look()
            if found:
                return found
        return []


def elsewhere(name: str, its: str, wanted: str) -> PreflightError:
    """Return the error for a file system that is not where the instance would be."""
    words = f"file system {name} is in {its}, and the instance would be in {wanted}: an instance mounts its region's"
    return PreflightError(words, hint=f'set lambda.region = "{its}", or name another in lambda.file_system')


def body_of(planned: PlannedResource) -> Mapping[str, Any]:
    """Return the body of a planned request."""
    return cast("Mapping[str, Any]", planned.body["json"])
