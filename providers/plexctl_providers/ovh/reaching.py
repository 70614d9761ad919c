"""The instance as a host: who logs in to it, whom plexctl believes there, and bringing the gateway up on it."""

from __future__ import annotations

from functools import partial

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import NotFoundError, PlexError, ProviderError
from plexctl.model import Plan, Ref, Status
from plexctl.states import State
from plexctl_providers._common.host import FILES
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.on_host.looking import look
from plexctl_providers._common.on_host.looking import status_of as status_on_host
from plexctl_providers._common.on_host.machine import Machine, connect_to
from plexctl_providers._common.on_host.rented import Booting, close_to_others, machine_of
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import ConnectionLostError, UnreachableError
from plexctl_providers.ovh.client import project_path
from plexctl_providers.ovh.errors import is_busy, is_lost
from plexctl_providers.ovh.instance_rows import USER, Instance, status_of
from plexctl_providers.ovh.instances import Instances

_SILENT = "the instance is up; ssh does not answer yet"


class Reaching:
    """The hosts behind the instances."""

    def __init__(self, instances: Instances, context: Context) -> None:
        self._instances = instances
        self._context = context
        self._booting = Booting(context, instances.client.clock.now)

    def proceed(self, plan: Plan, journal: DeploymentJournal) -> Status:
        """Bring the gateway up as far as that goes by now; while OVHcloud does not answer, that is nowhere."""
        ref = journal.ref
        try:
            instance = next(iter(self._instances.of(ref)), None)
        except PlexError as error:
            if is_lost(error) or is_busy(error):
                return Status(State.CREATING, None, error.message)
            raise
        if instance is None:
            raise ProviderError("the instance is gone", hint="somebody deleted it, or OVHcloud did: deploy again")
        status = status_of(instance)
        if status.state is State.FAILED:
            raise ProviderError(f"the instance will not come up: {status.detail}", hint="deploy again")
        if status.state is not State.LOADING or not instance.addresses:
            return Status(State.CREATING, None, status.detail)
        enter = partial(close_to_others, plan=plan, tell=self._context.progress)
        try:
            status = self._booting.proceed(self.machine(ref, instance), plan, journal, enter)
        except (UnreachableError, ConnectionLostError):
            return Status(State.CREATING, None, _SILENT)
        if status.endpoint is not None and status.state is not State.CREATING:
            journal.reached(status.endpoint)
        return status

    def status(self, ref: Ref, instance: Instance) -> Status:
        """Say what is true of a deployment: what OVHcloud says, and where the instance is up, what is on it."""
        told = status_of(instance)
        if told.state is not State.LOADING:
            return told
        if not instance.addresses:
            return Status(State.CREATING, None, "the instance has no public address yet")
        try:
            with connect_to(self.machine(ref, instance)) as host:
                sight = look(host)
        except (UnreachableError, ConnectionLostError) as error:
            if ref.first(FILES) is None:
                return Status(State.CREATING, None, _SILENT)
            words = f"OVHcloud says ACTIVE, and it does not answer this computer: {error.message}"
            return Status(State.UNKNOWN, None, words)
        if not sight.label:
            return Status(State.CREATING, None, "the instance is up, and nothing of plexctl's is on it yet")
        return status_on_host(sight, instance.addresses[0])

    def machine(self, ref: Ref, instance: Instance) -> Machine:
        """Return how to log in: with the deployment's own key, else with the user's. Raises NotFoundError."""
        if not instance.addresses:
            raise NotFoundError(f"{ref.name} has no public address", hint="`plexctl status` says how far it is")
        return machine_of(ref, Destination(instance.addresses[0], user=self._user(ref, instance)), self._context)

    def _user(self, ref: Ref, instance: Instance) -> str:
        """Return whom one logs in as: as recorded, else as the image says."""
        recorded = next(
            (one.detail[USER] for one in ref.resources if one.kind == INSTANCE and USER in one.detail), None
        )
        if recorded is not None:
            return recorded
        path = project_path(instance.project, "image")
        rows = self._instances.client.rows(path, "read the images", region=instance.region)
        found = next((row.get("user") for row in rows if row.get("id") == instance.image), None)
        return str(found or "ubuntu")
