"""Ending what costs, and removing a deployment: asked again where it was refused, and read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from plexctl.errors import ConflictError, CredentialsError, PlexError, ProviderError
from plexctl.model import Kept, Ref, Removal, Resource
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers.lambda_cloud.account import FILE_SYSTEMS, KEYS, RULESETS, Account
from plexctl_providers.lambda_cloud.answers import FileSystem, Instance, SshKey, material_of
from plexctl_providers.lambda_cloud.errors import IN_USE, code_of, is_absent
from plexctl_providers.lambda_cloud.making import MADE, ORIGIN
from plexctl_providers.lambda_cloud.requests import FILE_SYSTEM, RULESET, SSH_KEY
from plexctl_providers.lambda_cloud.states import ENDING, GONE

_LOOK_S = 3.0
"""Between two looks at what ends."""
_GONE_S = 900.0
"""For an instance that terminates to be gone: how long that takes is not documented."""
_ASKS, _AGAIN_S = 4, 20.0
"""Times that an end is asked for as long as it shows no effect, and seconds between them."""
_FREE_S = 120.0
"""For a ruleset to be in use no longer once its instances are gone."""


def end(account: Account, instance: Instance) -> None:
    """Terminate an instance and wait until nothing of it is left.

    Raises ProviderError when it is still there, CredentialsError when nobody may.
    """
    clock = account.client.clock
    begun, refused = clock.now(), None
    asked, asked_at = 0, begun - _AGAIN_S
    found: Instance | None = instance
    while found is not None and found.status not in GONE:
        now = clock.now()
        is_ending = found.status in ENDING
        if not is_ending and now - asked_at >= _AGAIN_S:
            if asked == _ASKS:
                raise _still_there(instance, refused)
            refused = _ask_for_end(account, found)
            asked, asked_at = asked + 1, now
        elif now - begun >= _GONE_S:
            raise _still_there(instance, refused)
        else:
            clock.sleep(_LOOK_S)
        found = account.instance(instance.id)


def end_all(account: Account, ref: Ref) -> list[Instance]:
    """Terminate all instances of a deployment; return them."""
    found = account.instances_of(ref)
    for one in found:
        end(account, one)
    return found


def key_belongs(key: SshKey, ref: Ref, material: str | None = None) -> bool:
    """Tell whether a key in the account is a deployment's: by what is recorded, its comment, or its own half."""
    recorded = [one for one in ref.resources if one.kind == SSH_KEY]
    return (
        key.id in {one.id for one in recorded}
        or key.comment == ref.label
        or key.material == material
        or key.name in {one.name for one in recorded if one.id is None}
    )


class Removing:
    """One destroy."""

    def __init__(self, account: Account, home: Path, ref: Ref) -> None:
        self._account = account
        self._home = home
        self._ref = ref
        self._removed: list[Resource] = []
        self._kept: list[Kept] = []

    def run(self, *, everything: bool) -> Removal:
        """Remove it; read back. Raises ProviderError for what is still there."""
        ended = end_all(self._account, self._ref)
        for instance in ended:
            self._note(INSTANCE, self._ref.label, instance.id)
        if ended:
            # What was on it went with it.
            at_lambda = (INSTANCE, SSH_KEY, RULESET, FILE_SYSTEM)
            self._removed += [one for one in self._ref.resources if one.kind not in at_lambda]
        self._remove_keys()
        self._remove_rulesets()
        self._see_to_file_systems({name for one in ended for name in one.file_systems}, everything=everything)
        keys_of(self._home, self._ref.id).remove()
        return Removal(tuple(self._removed), tuple(self._kept))

    def _remove_keys(self) -> None:
        keys = keys_of(self._home, self._ref.id)
        pair = keys.pair()
        material = material_of(pair.public) if pair else None

        def mine() -> list[SshKey]:
            return [key for key in self._account.ssh_keys() if key_belongs(key, self._ref, material)]

        self._remove(SSH_KEY, KEYS, {key.id: key.name for key in mine()}, lambda: {key.id for key in mine()})

    def _remove_rulesets(self) -> None:
        recorded = {one.id for one in self._ref.resources if one.kind == RULESET and one.id}

        def mine() -> dict[str, str]:
            found = self._account.rulesets()
            return {one.id: one.name for one in found if one.name == self._ref.label or one.id in recorded}

        self._remove(RULESET, RULESETS, mine(), lambda: set(mine()))

    def _see_to_file_systems(self, mounted: set[str], *, everything: bool) -> None:
        """Keep file systems, or with everything remove those that nobody uses."""
        recorded = [one for one in self._ref.resources if one.kind == FILE_SYSTEM]
        if not recorded and not mounted:
            return
        ids, names = {one.id for one in recorded}, {one.name for one in recorded if one.id is None} | mounted
        made = {one.name for one in recorded if one.detail.get(ORIGIN) == MADE}

        def mine() -> list[FileSystem]:
            return [one for one in self._account.file_systems() if one.id in ids or one.name in names]

        going: dict[str, str] = {}
        for one in mine():
            if everything and one.name in made and not one.is_in_use:
                going[one.id] = one.name
            else:
                self._kept.append(Kept(FILE_SYSTEM, one.name, _why_kept(one, is_ours=one.name in made)))
        self._remove(FILE_SYSTEM, FILE_SYSTEMS, going, lambda: {one.id for one in mine()})

    def _remove(self, kind: str, path: str, going: dict[str, str], left: Callable[[], set[str]]) -> None:
        """Delete these, and read back. What is in use is waited for; what stays all the same is an error."""
        clock = self._account.client.clock
        if not going:
            return
        for resource_id in going:
            begun = clock.now()
            while (busy := self._deleted(kind, path, resource_id)) is not None:
                if clock.now() - begun >= _FREE_S:
                    raise busy
                clock.sleep(_LOOK_S)
        still = left() & set(going)
        if still:
            names = ", ".join(going[one] for one in sorted(still))
            words = f"Lambda said that {kind} {names} was deleted, and it is still there"
            raise ProviderError(words, hint="run the same command again")
        for resource_id, name in going.items():
            self._note(kind, name, resource_id)

    def _deleted(self, kind: str, path: str, resource_id: str) -> PlexError | None:
        """Delete something; return the error of one that is in use."""
        try:
            self._account.delete(path, resource_id, f"delete the {kind}")
        except ConflictError as error:
            if code_of(error) not in IN_USE:
                raise
            return error
        return None

    def _note(self, kind: str, name: str, resource_id: str) -> None:
        """Note a removed resource, in the journal's own words where it has it."""
        same = (one for one in self._ref.resources if one.kind == kind and resource_id == one.id)
        self._removed.append(next(same, Resource(kind, name, resource_id)))


def _ask_for_end(account: Account, instance: Instance) -> PlexError | None:
    """Ask for an instance's end; return why that failed, for when it is still there."""
    try:
        account.terminate(instance.id)
    except CredentialsError:
        raise
    except PlexError as error:
        return None if is_absent(error) else error
    return None


def _still_there(instance: Instance, refused: PlexError | None) -> ProviderError:
    why = refused.message if refused else f"Lambda was told to terminate it and calls it {instance.status}"
    if instance.refuses_end:
        why = f"{why}; {instance.refuses_end}"
    words = f"instance {instance.name or instance.id} is still there ({why})"
    return ProviderError(words, hint="it bills on: `plexctl destroy` again, or https://cloud.lambda.ai/instances")


def _why_kept(system: FileSystem, *, is_ours: bool) -> str:
    """Return why a file system stays, and what it costs (Lambda's price list as remembered: not verified)."""
    size = "" if system.bytes_used is None else f" with {system.bytes_used / 1e9:.1f} GB"
    use = "it keeps the weights for the next deploy" if is_ours else "it is not known to be plexctl's own"
    if system.is_in_use:
        use = "an instance uses it"
    ends = "`plexctl destroy --all` deletes it" if is_ours else "delete it in Lambda's console if you want"
    return f"{use}; in {system.region}{size}, it bills about 0.20 USD for each GB and month: {ends}"
