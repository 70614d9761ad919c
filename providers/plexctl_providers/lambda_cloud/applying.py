"""Making a plan real: adopt the instance that is there, or make all that it takes and launch one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from plexctl.contract import DeploymentJournal
from plexctl.errors import NoCapacityError, PlexError, PreflightError
from plexctl.model import Offer, Plan, PlannedResource
from plexctl_providers._common.files import resource
from plexctl_providers._common.host_cloud_init import CALLER_CIDR, HOST_KEY, HOST_PUBLIC_KEY, KEY_HASH, PUBLIC_KEY
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers._common.on_host.rented import ANYWHERE
from plexctl_providers._common.placeholders import ID, fill, names_in
from plexctl_providers._common.ssh.keys import KeyPair, key_hash, new_key_pair, public_half
from plexctl_providers.lambda_cloud.account import Account
from plexctl_providers.lambda_cloud.answers import FileSystem, Instance
from plexctl_providers.lambda_cloud.errors import is_lost
from plexctl_providers.lambda_cloud.finding import found_in
from plexctl_providers.lambda_cloud.hosting import Hosting
from plexctl_providers.lambda_cloud.making import FOUND, ORIGIN, Making, body_of
from plexctl_providers.lambda_cloud.removal import end
from plexctl_providers.lambda_cloud.requests import (
    FILE_SYSTEM,
    FILE_SYSTEM_ID,
    INSTANCE_TYPE,
    NO_FIREWALL,
    REGION,
    RULESET,
    RULESET_ID,
    SSH_KEY,
)
from plexctl_providers.lambda_cloud.states import ENDING, UNHEALTHY


class Applying:
    """One apply."""

    def __init__(self, account: Account, hosting: Hosting, plan: Plan, journal: DeploymentJournal) -> None:
        self._account = account
        self._hosting = hosting
        self._plan = plan
        self._journal = journal
        self._making = Making(account, journal)

    def run(self) -> bool:
        """Return whether anything was changed."""
        ref = self._journal.ref
        there = [one for one in self._account.instances_of(ref) if one.status not in ENDING]
        recorded = ref.first(INSTANCE)
        if not there and recorded is not None and recorded.id is None:
            there = self._making.late(ref)
        ids = {one.id for one in ref.resources}
        alive = sorted((one for one in there if one.status != UNHEALTHY), key=lambda one: (one.id not in ids, one.id))
        kept = alive[0] if alive else None
        for other in there:
            # Unhealthy, or a launch whose answer was lost and whose instance came after everybody had stopped looking.
            if other is not kept:
                end(self._account, other)
        if kept is None:
            self._launch()
            return True
        self._adopt(kept)
        return False

    def _launch(self) -> None:
        """Launch an instance with all that it needs."""
        values: dict[str, str] = {ID: self._journal.ref.id, CALLER_CIDR: ANYWHERE, **self._placed()}
        values |= self._keys()
        self._making.ssh_key(self._planned(SSH_KEY), self._body(SSH_KEY, values))
        if self._has(RULESET):
            values[RULESET_ID] = self._making.ruleset(self._planned(RULESET), self._body(RULESET, values)).id
        made: FileSystem | None = None
        if self._has(FILE_SYSTEM):
            planned = self._planned(FILE_SYSTEM)
            system, is_new = self._making.file_system(planned, self._body(FILE_SYSTEM, values))
            values[FILE_SYSTEM_ID], made = system.id, system if is_new else None
        try:
            self._making.launch(self._body(INSTANCE, values))
        except PlexError as error:
            if made is not None and not is_lost(error):
                self._making.forget_file_system(self._planned(FILE_SYSTEM), made)
            raise

    def _placed(self) -> dict[str, str]:
        """Return region and instance type as they have capacity at this moment. Raises NoCapacityError."""
        body = body_of(self._planned(INSTANCE))
        kind, region = str(body["instance_type_name"]), str(body["region_name"])
        if INSTANCE_TYPE in names_in(kind):
            words = "no GPU is named, and an instance of Lambda's is chosen by its GPU"
            raise PreflightError(words, hint="name one with --gpu, such as A10")
        regions = next((one.regions for one in self._account.types() if one.name == kind), ())
        if REGION not in names_in(region):
            if region in regions:
                return {}
            raise _full(self._plan.offer, kind, f"in {region}", regions)
        # Where rulesets do not apply the plan would be another one: with a firewall of the instance's own.
        for candidate in regions:
            if candidate != NO_FIREWALL:
                return {REGION: candidate}
        raise _full(self._plan.offer, kind, "anywhere", regions)

    def _keys(self) -> dict[str, str]:
        """Return the deployment's key, and a host key for the new instance; both are on this disk before they are used.

        A host key that was made anew on an instance is not used again.
        """
        keys, label = keys_of(self._hosting.context.home, self._journal.ref.id), self._journal.ref.label
        mine = keys.pair()
        if mine is None:
            mine = self._hosting.new_pair(label)
            keys.keep_pair(mine)
        theirs = keys.host_pair()
        if theirs is None:
            theirs = new_key_pair("")
            keys.keep_host_pair(theirs)
        return {
            PUBLIC_KEY: _with_comment(mine, label),
            KEY_HASH: key_hash(mine.public),
            HOST_KEY: theirs.private.reveal().replace("\n", "\\n"),
            HOST_PUBLIC_KEY: public_half(theirs.public),
        }

    def _adopt(self, instance: Instance) -> None:
        """Record an instance that was there with what belongs to it, unless all of it is recorded."""
        ref = self._journal.ref
        recorded = {one.kind: one.id for one in ref.resources if one.id}
        wanted = {SSH_KEY, INSTANCE} | {kind for kind in (RULESET, FILE_SYSTEM) if self._has(kind)}
        if wanted <= recorded.keys() and (INSTANCE, instance.id) in recorded.items():
            return
        there = next((one.resources for one in found_in(self._account, ref.name) if one.id == ref.id), ())
        for one in there:
            is_known = one.id == recorded.get(one.kind) if one.kind == INSTANCE else one.kind in recorded
            if not is_known and one.id is not None and (one.kind != INSTANCE or one.id == instance.id):
                detail = {ORIGIN: FOUND} if one.kind == FILE_SYSTEM else one.detail
                self._journal.created(self._journal.intend(one.kind, one.name, detail), one.id)

    def _has(self, kind: str) -> bool:
        return any(one.kind == kind for one in self._plan.resources)

    def _planned(self, kind: str) -> PlannedResource:
        return resource(self._plan, kind)

    def _body(self, kind: str, values: Mapping[str, str]) -> dict[str, Any]:
        return cast("dict[str, Any]", fill(body_of(self._planned(kind)), values))


def _with_comment(pair: KeyPair, label: str) -> str:
    """Return the public half with the label after it: Lambda keeps it, so that the key tells whose it is."""
    return f"{public_half(pair.public)} {label}"


def _full(offer: Offer, kind: str, where: str, regions: tuple[str, ...]) -> NoCapacityError:
    others = f"; it has some in {', '.join(regions)}" if regions else ""
    words = f"Lambda has no capacity for {kind} ({offer.gpu or 'no GPU'}) {where} at this moment{others}"
    return NoCapacityError(words, hint="try another region with lambda.region, another GPU, or again later")
