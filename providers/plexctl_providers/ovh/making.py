"""Making a deployment's key and instance: looked up before, journaled around, never made twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import PlexError, PreflightError, ProviderError
from plexctl.model import Plan, Ref
from plexctl.secret import Secret
from plexctl_providers._common.files import resource
from plexctl_providers._common.host_cloud_init import CALLER_CIDR, HOST_KEY, HOST_PUBLIC_KEY, PUBLIC_KEY
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.on_host.keeping import Keys, keys_of
from plexctl_providers._common.on_host.rented import ANYWHERE
from plexctl_providers._common.placeholders import ID, fill, names_in
from plexctl_providers._common.ssh.keys import KeyPair, new_key_pair, public_half
from plexctl_providers.ovh.client import Json, project_path
from plexctl_providers.ovh.errors import is_lost, nonsense
from plexctl_providers.ovh.instance import FLAVOUR_ID, IMAGE_ID, LOOKED_UP, SSH_KEY
from plexctl_providers.ovh.instance_offers import choose_flavour, read_flavours
from plexctl_providers.ovh.instance_rows import BROKEN, LEAVING, OFF, SHELVED, USER, Instance, resource_in
from plexctl_providers.ovh.instances import Instances
from plexctl_providers.ovh.names import PLACE_PROJECT, PLACE_REGION, PROJECT, REGION
from plexctl_providers.ovh.projects import only_project

_POLL_S = 1.0
_OPERATION_S = 180.0
"""How long an operation may take until it tells what it makes."""
_FAILED = ("in-error", "unknown")
"""What terraform-provider-ovh takes for failures."""
_COMPLETED = "completed"
_CREATE = "create the instance"


class Making:
    """One apply."""

    def __init__(self, instances: Instances, context: Context, plan: Plan, journal: DeploymentJournal) -> None:
        self._instances = instances
        self._client = instances.client
        self._context = context
        self._plan = plan
        self._journal = journal
        planned = resource(plan, INSTANCE).body
        self._path = cast("str", planned["path"])
        self._body = cast("Mapping[str, object]", planned["json"])
        self._names = cast("Mapping[str, list[str]]", planned[LOOKED_UP])

    def run(self) -> bool:
        """Bring the key and the instance about; return whether anything was changed."""
        ref = self._journal.ref
        project = self._project()
        region = self._region()
        there = self._instances.of(ref, (project, region) if region else None)
        kept = next((one for one in there if one.state not in (*BROKEN, *LEAVING)), None)
        for one in there:
            if one is not kept:
                self._instances.delete(one)
        keys = keys_of(self._context.home, ref.id)
        if kept is not None:
            self._key(project, keys, region=kept.region, may_replace=False)
            return self._adopt(kept, ref)
        self._create(project, region, keys)
        return True

    def _adopt(self, kept: Instance, ref: Ref) -> bool:
        recorded = ref.first(INSTANCE)
        if recorded is None or recorded.id != kept.id:
            self._journal.created(self._journal.intend(INSTANCE, ref.label, kept.place), kept.id, kept.place)
        if kept.state in (*SHELVED, *OFF):
            self._instances.wake(kept)
            return True
        return False

    def _create(self, project: str, region: str | None, keys: Keys) -> None:
        """Look up what is needed, make the key, and then the instance."""
        found = read_flavours(self._client, project, region)
        flavour = choose_flavour(found, self._names[FLAVOUR_ID], replace(self._plan.offer, region=region))
        image = self._image(project, flavour.region)
        # The one of a create whose answer was lost, if there was one: its instance may come late, with this key.
        host_pair = keys.host_pair() or new_key_pair("")
        keys.keep_host_pair(host_pair)
        pair = self._key(project, keys, region=flavour.region, may_replace=True)
        values: dict[str, str | Secret] = {
            ID: self._journal.ref.id,
            PROJECT: project,
            REGION: flavour.region,
            FLAVOUR_ID: flavour.id,
            IMAGE_ID: str(image["id"]),
            HOST_KEY: Secret(host_pair.private.reveal().replace("\n", "\\n")),
            HOST_PUBLIC_KEY: host_pair.public,
            PUBLIC_KEY: pair.public,
            CALLER_CIDR: ANYWHERE,
        }
        place = {PLACE_PROJECT: project, PLACE_REGION: flavour.region, USER: str(image.get("user") or "ubuntu")}
        path = str(fill(self._path, values))
        self._start(path, cast("Json", fill(self._body, values)), place)

    def _start(self, path: str, body: Json, place: Mapping[str, str]) -> None:
        """Ask for the instance and journal its id; an answer that was lost is looked for by the name."""
        ref = self._journal.ref
        recorded = ref.first(INSTANCE)
        if recorded is not None and recorded.id is None:
            late = self._late(place)
            if late is not None:
                self._journal.created(self._journal.intend(INSTANCE, ref.label, place), late.id, place)
                return
        key = self._journal.intend(INSTANCE, ref.label, place)
        try:
            operation = self._client.change("POST", path, _CREATE, body)
            if not isinstance(operation, dict):
                raise nonsense(_CREATE, "no operation")
        except PlexError as error:
            if not is_lost(error):
                self._journal.removed(key)
                raise
            # Nobody knows whether it was made: the intent stays until it is seen.
            late = self._late(place)
            if late is None:
                raise
            self._journal.created(key, late.id, place)
            return
        self._journal.created(key, self._made_by(operation, place), place)

    def _made_by(self, operation: Json, place: Mapping[str, str]) -> str:
        """Return the id of what an operation makes, as soon as it, or the list of instances, tells."""
        clock, project = self._client.clock, place[PLACE_PROJECT]
        begun = clock.now()
        while True:
            status = str(operation.get("status") or "")
            made = resource_in(operation) or next((one.id for one in self._named(place)), None)
            if made:
                return made
            if status in _FAILED or clock.now() - begun >= _OPERATION_S:
                raise ProviderError(f"OVHcloud could not create the instance: its operation is {status or 'unknown'}")
            clock.sleep(_POLL_S)
            path = project_path(project, "operation", str(operation.get("id") or ""))
            operation = self._client.found(path, "read the operation") or operation

    def _late(self, place: Mapping[str, str]) -> Instance | None:
        return next(iter(self._instances.come_late(lambda: self._named(place))), None)

    def _named(self, place: Mapping[str, str]) -> list[Instance]:
        label = self._journal.ref.label
        found = self._instances.inside(place[PLACE_PROJECT], place[PLACE_REGION])
        return [one for one in found if one.name == label]

    def _key(self, project: str, keys: Keys, *, region: str, may_replace: bool) -> KeyPair:
        """Return the pair that logs in, whose public half is the project's too."""
        ref = self._journal.ref
        pair = keys.pair()
        if pair is None and may_replace:
            pair = new_key_pair(ref.label)
            keys.keep_pair(pair)
        mine = self._instances.keys_of(ref, {project})
        recorded = ref.first(SSH_KEY)
        if not mine and recorded is not None and recorded.id is None:
            mine = self._instances.come_late(lambda: self._instances.keys_of(ref, {project}))
        good = [row for _, row in mine if pair is None or _is_half(row, pair)]
        if may_replace or good:
            for _, row in mine:
                if row not in good[:1]:
                    self._instances.delete_key(project, row)
        if good:
            if recorded is None or recorded.id != good[0].get("id"):
                self._journal_key(project, str(good[0]["id"]))
        elif pair is not None and (may_replace or not mine):
            self._add_key(project, region, pair)
        return pair or KeyPair(Secret(""), "")

    def _journal_key(self, project: str, key_id: str) -> None:
        detail = {PLACE_PROJECT: project}
        self._journal.created(self._journal.intend(SSH_KEY, self._journal.ref.label, detail), key_id, detail)

    def _add_key(self, project: str, region: str, pair: KeyPair) -> None:
        ref, detail, action = self._journal.ref, {PLACE_PROJECT: project}, "add the ssh key"
        values = {ID: ref.id, PROJECT: project, REGION: region, PUBLIC_KEY: pair.public}
        body = cast("Json", fill(resource(self._plan, SSH_KEY).body["json"], values))
        key = self._journal.intend(SSH_KEY, ref.label, detail)
        try:
            made = self._client.change("POST", project_path(project, "sshkey"), action, body)
            if not isinstance(made, dict) or not made.get("id"):
                raise nonsense(action, "no key")
        except PlexError as error:
            if not is_lost(error):
                self._journal.removed(key)
                raise
            late = self._instances.come_late(lambda: self._instances.keys_of(ref, {project}))
            if not late:
                raise
            made = late[0][1]
        self._journal.created(key, str(made["id"]), detail)

    def _project(self) -> str:
        named = self._path.split("/", 4)[3]
        return only_project(self._client) if names_in(named) else named

    def _region(self) -> str | None:
        """Return the region that is planned; None where the first with stock will do."""
        named = self._path.partition("/region/")[2].partition("/")[0]
        return None if names_in(named) else named

    def _image(self, project: str, region: str) -> Json:
        """Return the image of that name. Raises PreflightError that names those that are like it."""
        name = self._names[IMAGE_ID][0]
        rows: list[Json] = self._client.rows(project_path(project, "image"), "read the images", region=region)
        found = next((row for row in rows if row.get("name") == name and row.get("id")), None)
        if found is None:
            like = sorted({str(row.get("name")) for row in rows if _is_like(row, name)})
            hint = f"there are {', '.join(like)}" if like else "OVHcloud's control panel lists the images of a region"
            raise PreflightError(f"there is no image {name!r} in {region}", hint=f"set ovh.image; {hint}")
        return found


def _is_half(row: Mapping[str, Any], pair: KeyPair) -> bool:
    theirs = str(row.get("publicKey") or "").split()[:2]
    return " ".join(theirs) == public_half(pair.public)


def _is_like(row: Mapping[str, Any], name: str) -> bool:
    return name.split(maxsplit=1)[0].lower() in str(row.get("name") or "").lower()
