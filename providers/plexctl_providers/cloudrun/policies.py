"""Who may use a thing: its policy is read, one member is added or taken away, and it is written with its etag.

Nothing of others' in a policy is lost: whoever else writes in between makes Google refuse ours, and we read again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from plexctl.errors import ConflictError, PlexError, ProviderError
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.errors import is_lost, is_taken

RUN = "run"
_TRIES = 6
_WITH_CONDITIONS = 3
"""The version in which a policy shows its conditions; in an older one they would be lost when it is written."""


@dataclass(frozen=True, slots=True)
class Guarded:
    """A thing with a policy: its API, and its path; of Cloud Run its full name."""

    api: str
    path: str

    def read(self, google: Google) -> Json | None:
        """Return the policy; None when the thing is not there."""
        if self.api == RUN:
            return google.services.policy(self.path)
        if self.api == "storage":
            return google.get(self.api, f"{self.path}/iam", {"optionsRequestedPolicyVersion": _WITH_CONDITIONS})
        query = {"options.requestedPolicyVersion": _WITH_CONDITIONS}
        return google.get(self.api, f"{self.path}:getIamPolicy", query)

    def write(self, google: Google, policy: Json) -> None:
        """Write the policy with the etag that it was read with."""
        if self.api == RUN:
            google.services.set_policy(self.path, policy)
        elif self.api == "storage":
            google.call(self.api, "PUT", f"{self.path}/iam", policy)
        else:
            google.call(self.api, "POST", f"{self.path}:setIamPolicy", {"policy": policy})


def allow(google: Google, thing: Guarded, role: str, member: str) -> bool:
    """Let a member in; return whether that changed anything. Raises ProviderError when the thing is not there."""

    def add(bindings: list[Json]) -> None:
        plain = next((one for one in bindings if one["role"] == role and "condition" not in one), None)
        if plain is None:
            bindings.append({"role": role, "members": [member]})
        else:
            plain["members"] = [*plain.get("members", ()), member]

    return _changed(google, thing, lambda bindings: not _has(bindings, role, member), add)


def deny(google: Google, thing: Guarded, role: str, member: str) -> bool:
    """Take a member's right away; return whether that changed anything. What is not there needs nothing."""

    def drop(bindings: list[Json]) -> None:
        for one in bindings:
            if one["role"] == role and "condition" not in one:
                one["members"] = [name for name in one.get("members", ()) if name != member]
        bindings[:] = [one for one in bindings if one.get("members")]

    if thing.read(google) is None:
        return False
    return _changed(google, thing, lambda bindings: _has(bindings, role, member), drop)


def is_allowed(google: Google, thing: Guarded, role: str, member: str) -> bool:
    """Tell whether a member is let in without a condition."""
    return _has((thing.read(google) or {}).get("bindings", []), role, member)


def _has(bindings: list[Json], role: str, member: str) -> bool:
    return any(one["role"] == role and member in one.get("members", ()) and "condition" not in one for one in bindings)


def _changed(
    google: Google, thing: Guarded, is_needed: Callable[[list[Json]], bool], change: Callable[[list[Json]], None]
) -> bool:
    for _ in range(_TRIES):
        policy = thing.read(google)
        if policy is None:
            raise ProviderError(f"cannot read who may use {thing.path}: it is not there")
        bindings = policy.setdefault("bindings", [])
        if not is_needed(bindings):
            return False
        change(bindings)
        if any("condition" in one for one in bindings):
            policy["version"] = _WITH_CONDITIONS
        try:
            thing.write(google, policy)
        except PlexError as error:
            if not is_taken(error) and not is_lost(error):
                raise
            continue
        return True
    raise ConflictError(f"somebody else keeps changing who may use {thing.path}", hint="try again")
