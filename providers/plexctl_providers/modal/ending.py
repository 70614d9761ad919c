"""What is there of deployments at Modal, and its end: found by names, stopped, removed, read back each time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass

from plexctl.errors import CredentialsError, ProviderError
from plexctl.identity import NAME_PATTERN
from plexctl.model import CREATED_AT, LABEL_PREFIX, Kept, Ref, Removal, Resource
from plexctl.spec.targets import Modal
from plexctl_providers._common.ages import moment_of
from plexctl_providers.modal.client import Account, Life
from plexctl_providers.modal.deploying import ENVIRONMENT
from plexctl_providers.modal.requests import APP, FETCH_APP, SECRET, VOLUME

_LABEL = re.compile(rf"{LABEL_PREFIX}(?P<name>{NAME_PATTERN})-(?P<id>[a-z0-9]{{6}})(?P<fetch>-fetch)?")
_STOP_LIMIT_S = 90.0
"""A container may take 30 s to end."""
_FIRST_POLL_S = 0.1
_LAST_POLL_S = 2.0
_SHARED = Modal().volume
_VOLUME_COST = "0.09 USD per GiB and month after the first TiB, as listed in 2026"


@dataclass(frozen=True, slots=True)
class Found:
    """What there is of one deployment in one environment."""

    apps: tuple[Life, ...]
    fetchers: tuple[Life, ...]
    secret: str | None


class Ending:
    """Looks, stops and removes in one account. `now` gives epoch seconds."""

    def __init__(self, account: Account, now: Callable[[], float]) -> None:
        self._account = account
        self._now = now

    def environments_of(self, ref: Ref) -> list[str]:
        """Return the environments that a record names, or the profile's own."""
        named = dict.fromkeys(one.detail[ENVIRONMENT] for one in ref.resources if ENVIRONMENT in one.detail)
        return list(named) or [self._account.environment(None)]

    def look(self, ref: Ref, environment: str) -> Found:
        """Return what there is of a deployment."""
        apps = self._account.apps(environment)
        return Found(
            tuple(app for app in apps if app.name == ref.label),
            tuple(app for app in apps if app.name == f"{ref.label}-fetch"),
            self._account.secrets(environment).get(ref.label),
        )

    def find(self, name: str | None) -> list[Ref]:
        """Find deployments in all environments that this token may see, by the names of apps and secrets.

        The volume bears no deployment's name: it comes along by the name that it has unless the spec says otherwise.
        """
        found: dict[tuple[str, str], list[Resource]] = {}
        for environment in self._account.environments():
            for resource, match in self._labelled(environment):
                if name in (None, match["name"]):
                    found.setdefault((match["name"], match["id"]), []).append(resource)
        for resources in found.values():
            resources.extend(self._shared_volumes({one.detail[ENVIRONMENT] for one in resources}))
        return [Ref("modal", *key, tuple(resources)) for key, resources in sorted(found.items())]

    def stop(self, ref: Ref) -> None:
        """Stop the apps and read back that they have ended."""
        for environment in self.environments_of(ref):
            self._stop(ref, environment)

    def destroy(self, ref: Ref, *, everything: bool) -> Removal:
        """Remove apps and secret; the volume only with `everything`, when no other deployment is there."""
        removed: list[Resource] = []
        kept: list[Kept] = []
        for environment in self.environments_of(ref):
            detail = {ENVIRONMENT: environment}
            stopped, before = self._stop(ref, environment), self.look(ref, environment)
            if before.secret is not None:
                self._account.delete_secret(ref.label, environment)
                removed.append(Resource(SECRET, ref.label, before.secret, detail))
            removed += [Resource(_kind(one, ref), one.name, one.id, detail) for one in stopped]
            for volume in [one for one in ref.resources if one.kind == VOLUME and one.detail == detail]:
                reason = self._reason_to_keep(volume, environment, everything=everything)
                if reason is None and self._account.volume(volume.name, environment) is not None:
                    self._account.delete_volume(volume.name, environment)
                    removed.append(volume)
                elif reason is not None:
                    kept.append(Kept(VOLUME, volume.name, reason))
        return Removal(tuple(removed), tuple(kept))

    def _shared_volumes(self, environments: set[str]) -> list[Resource]:
        asked = {environment: self._account.volume(_SHARED, environment) for environment in sorted(environments)}
        return [Resource(VOLUME, _SHARED, one, {ENVIRONMENT: where}) for where, one in asked.items() if one is not None]

    def _labelled(self, environment: str) -> list[tuple[Resource, re.Match[str]]]:
        detail = {ENVIRONMENT: environment}
        try:
            secrets = self._account.secrets(environment)
            apps = self._account.apps(environment)
        except CredentialsError:
            return []  # an environment that this token may not see is not ours
        named = [Resource(SECRET, name, secret_id, detail) for name, secret_id in secrets.items()]
        named += [Resource(APP, app.name, app.id, detail | moment_of(CREATED_AT, app.created_at)) for app in apps]
        matches = [(one, _LABEL.fullmatch(one.name)) for one in named]
        return [
            (Resource(FETCH_APP, one.name, one.id, one.detail) if match["fetch"] else one, match)
            for one, match in matches
            if match
        ]

    def _stop(self, ref: Ref, environment: str) -> tuple[Life, ...]:
        """Stop what runs; return it when it has been read back as ended."""
        found = self.look(ref, environment)
        running = (*found.apps, *found.fetchers)
        for app in running:
            self._account.stop(app.id, environment)
        deadline, pause = self._now() + _STOP_LIMIT_S, _FIRST_POLL_S
        while running:
            left = self.look(ref, environment)
            if not (left.apps or left.fetchers):
                break
            if self._now() > deadline:
                names = ", ".join(one.name for one in (*left.apps, *left.fetchers))
                hint = f"`modal app stop {names}`, and look at https://modal.com/apps: it may still bill"
                raise ProviderError(f"{names} did not stop within {_STOP_LIMIT_S:g} s", hint=hint)
            time.sleep(pause)
            pause = min(2 * pause, _LAST_POLL_S)
        return running

    def _reason_to_keep(self, volume: Resource, environment: str, *, everything: bool) -> str | None:
        if self._account.volume(volume.name, environment) is None:
            return None
        if not everything:
            # Without a deployment `plexctl destroy --all` would not know the name any more.
            end = f"`modal volume delete {volume.name} -e {environment}`"
            return f"deployments share the weights in it; {_VOLUME_COST}; {end} removes it, as `--all` would have"
        others = {match["name"] for one, match in self._labelled(environment) if one.kind in (APP, SECRET)}
        if others:
            return f"{', '.join(sorted(others))} may use the weights in it; {_VOLUME_COST}"
        return None


def _kind(app: Life, ref: Ref) -> str:
    return APP if app.name == ref.label else FETCH_APP
