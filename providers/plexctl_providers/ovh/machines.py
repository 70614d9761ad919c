"""Instances of the Public Cloud as deployments: made, brought up, looked at, shelved, removed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import NotFoundError, PlexError
from plexctl.images import PORT as IMAGE_PORT
from plexctl.model import Deployment, Endpoint, LogLine, Plan, Ref, Removal, Resource, Status
from plexctl.states import State
from plexctl_providers._common.host import FILES, SECRETS
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.on_host.ending import holdings, stop_unit
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers._common.on_host.logs import log_lines
from plexctl_providers._common.on_host.machine import connect_to
from plexctl_providers._common.on_host.places import PORT, place_of
from plexctl_providers._common.on_host.rented import shell_of
from plexctl_providers._common.on_host.tunnels import tunnel
from plexctl_providers._common.ssh.errors import ConnectionLostError, UnreachableError
from plexctl_providers.ovh.client import Client
from plexctl_providers.ovh.instance_rows import Instance, status_of
from plexctl_providers.ovh.instances import Instances, key_resource
from plexctl_providers.ovh.making import Making
from plexctl_providers.ovh.names import PLACE_PROJECT
from plexctl_providers.ovh.reaching import Reaching


class Machines:
    """The deployments on instances."""

    def __init__(self, client: Client, context: Context) -> None:
        self._context = context
        self._instances = Instances(client)
        self._reaching = Reaching(self._instances, context)

    def find(self, project: str) -> list[Ref]:
        """Find plexctl's instances, and ssh keys that were left behind, in a project."""
        return self._instances.refs(project)

    def status(self, ref: Ref) -> Status:
        """Say what OVHcloud and the instance say."""
        instance = self._one(ref)
        if instance is None:
            return Status(State.MISSING, None, "OVHcloud has no such instance")
        return self._reaching.status(ref, instance)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Make the key and the instance, or adopt them; what is on the instance follows (`proceed`)."""
        changed = Making(self._instances, self._context, plan, journal).run()
        return Deployment(journal.ref, None, changed)

    def proceed(self, plan: Plan, journal: DeploymentJournal) -> Status:
        """Bring the gateway up as far as that goes by now."""
        return self._reaching.proceed(plan, journal)

    def stop(self, ref: Ref) -> None:
        """End the gateway in order, shelve every instance, which frees the GPU (unverified), and read back."""
        for instance in self._instances.of(ref):
            if _is_up(instance):
                # What bills ends in any case: a host that cannot be asked is shelved all the same.
                with suppress(PlexError), connect_to(self._reaching.machine(ref, instance)) as host:
                    stop_unit(host, ref.label)
            self._instances.shelve(instance)

    def destroy(self, ref: Ref) -> Removal:
        """Delete the instance and the key, read back, and forget the deployment's own keys on this computer."""
        recorded = ref.first(INSTANCE)
        is_open = recorded is not None and recorded.id is None
        look_up = self._instances.of
        there = self._instances.come_late(lambda: look_up(ref)) if is_open else look_up(ref)
        removed: list[Resource] = []
        for instance in there:
            self._instances.delete(instance)
            removed.append(instance.resource)
        if there:
            removed += [one for one in ref.resources if one.kind in (FILES, SECRETS) and one.id]
        projects = {one.detail[PLACE_PROJECT] for one in ref.resources if PLACE_PROJECT in one.detail}
        projects |= {one.project for one in there}
        for project, row in self._instances.keys_of(ref, projects or set(self._instances.client.projects())):
            self._instances.delete_key(project, row)
            removed.append(key_resource(row, project))
        keys_of(self._context.home, ref.id).remove()
        return Removal(tuple(_as_recorded(one, ref) for one in removed))

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read the gateway's log on the instance."""
        instance = self._up(ref)
        if instance is None:
            return
        machine = self._reaching.machine(ref, instance)
        try:
            yield from log_lines(machine, ref.label, follow=follow, since=since, tail=tail)
        except (UnreachableError, ConnectionLostError):
            # Its end may have been OVHcloud's: shelved or deleted, it does not answer any more.
            if self._up(ref) is not None:
                raise

    def tunnel(self, ref: Ref) -> AbstractContextManager[Endpoint]:
        """Give the gateway on this computer's loopback."""
        port = int(place_of(ref).get(PORT, IMAGE_PORT))
        return tunnel(self._reaching.machine(ref, self._needed(ref)), port)

    def shell(self, ref: Ref) -> tuple[str, ...]:
        """Return OpenSSH's command line."""
        return shell_of(self._reaching.machine(ref, self._needed(ref)), ref, self._context)

    def holdings(self, ref: Ref) -> list[str]:
        """List what a destroy removes on the instance; it goes as a whole."""
        instance = self._up(ref)
        if instance is None:
            return []
        found = [f"instance {instance.name} as a whole"]
        # It goes whether or not it can be asked what is on it.
        with suppress(PlexError), connect_to(self._reaching.machine(ref, instance)) as host:
            found += holdings(host, ref.label)
        return found

    def _one(self, ref: Ref) -> Instance | None:
        return next(iter(self._instances.of(ref)), None)

    def _up(self, ref: Ref) -> Instance | None:
        """Return the instance if one can log in to it."""
        instance = self._one(ref)
        return instance if instance is not None and _is_up(instance) else None

    def _needed(self, ref: Ref) -> Instance:
        instance = self._up(ref)
        if instance is None:
            words = f"{ref.name} has no instance that is up"
            raise NotFoundError(words, hint="`plexctl status` says how it is; `plexctl start` brings it back")
        return instance


def _is_up(instance: Instance) -> bool:
    """Tell whether one can log in to it, as far as OVHcloud knows."""
    return bool(instance.addresses) and status_of(instance).state is State.LOADING


def _as_recorded(resource: Resource, ref: Ref) -> Resource:
    """Return the resource in the journal's own words, where it has it."""
    same = (one for one in ref.resources if (one.kind, one.id) == (resource.kind, resource.id))
    return next(same, resource)
