"""Finding deployments at Lambda without any local record."""

from __future__ import annotations

from collections.abc import Iterable

from plexctl.model import CREATED_AT, Ref, Resource
from plexctl_providers._common.ages import moment_of
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers.lambda_cloud.account import Account
from plexctl_providers.lambda_cloud.answers import Instance, Ruleset, identity_in
from plexctl_providers.lambda_cloud.requests import FILE_SYSTEM, RULESET, SSH_KEY


def found_in(account: Account, name: str | None) -> list[Ref]:
    """Return the deployments of that name, or all: by the names and tags of instances and the names of rulesets.

    A key tells by its comment whose it is; with nothing else, it is no deployment. Of all that there is, Lambda tells
    of rulesets alone when they were made: where those do not apply, a deployment has no age.
    """
    instances, rulesets = account.instances(), account.rulesets()
    identities = {one.identity for one in instances} | {identity_in(one.name) for one in rulesets}
    wanted = sorted(one for one in identities if one is not None and name in (None, one[0]))
    if not wanted:
        return []
    keys = [(identity_in(key.comment), key) for key in account.ssh_keys()]
    found = []
    for identity in wanted:
        mine = [one for one in instances if one.identity == identity]
        resources = [Resource(SSH_KEY, key.name, key.id) for whose, key in keys if whose == identity]
        resources += _rulesets(rulesets, identity)
        resources += _file_systems(account, mine)
        label = Ref("lambda", *identity).label
        resources += [Resource(INSTANCE, label, one.id, _detail(one)) for one in mine]
        found.append(Ref("lambda", *identity, tuple(resources)))
    return found


def _detail(instance: Instance) -> dict[str, str]:
    return {"region": instance.region, "instance_type": instance.kind}


def _rulesets(rulesets: Iterable[Ruleset], identity: tuple[str, str]) -> list[Resource]:
    mine = [one for one in rulesets if identity_in(one.name) == identity]
    return [Resource(RULESET, one.name, one.id, moment_of(CREATED_AT, one.created_at)) for one in mine]


def _file_systems(account: Account, instances: Iterable[Instance]) -> list[Resource]:
    mounted = {(name, one.region) for one in instances for name in one.file_systems}
    if not mounted:
        return []
    systems = account.file_systems()
    return [Resource(FILE_SYSTEM, one.name, one.id) for one in systems if (one.name, one.region) in mounted]
