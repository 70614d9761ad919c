"""The instance as a host: who logs in to it, whom plexctl believes there, and bringing the gateway up on it."""

from __future__ import annotations

from pathlib import Path

from plexctl.contract import Context, DeploymentJournal
from plexctl.errors import NotFoundError, PlexError, ProviderError
from plexctl.model import Plan, Ref, Status
from plexctl.states import State
from plexctl_providers._common.host import FILES
from plexctl_providers._common.host_cloud_init import MARKER
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.on_host.bringing import bring_up
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers._common.on_host.looking import look
from plexctl_providers._common.on_host.looking import status_of as status_on_host
from plexctl_providers._common.on_host.machine import Machine, Open, connect_to
from plexctl_providers._common.on_host.places import HOST_KEY, place_of
from plexctl_providers._common.on_host.rotating import rotate
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import ConnectionLostError, LoginRefusedError, UnreachableError
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.trust import Trust
from plexctl_providers.ovh.client import project_path
from plexctl_providers.ovh.errors import is_busy, is_lost
from plexctl_providers.ovh.instance_rows import USER, Instance, status_of
from plexctl_providers.ovh.instances import Instances

_NEW_S = 60.0
"""How long a new instance may refuse its key: it can be put there after sshd has come up."""
_BOOTING = "the instance boots: ssh does not answer yet"


class Reaching:
    """The hosts behind the instances."""

    def __init__(self, instances: Instances, context: Context) -> None:
        self._instances = instances
        self._context = context
        self._refused_since: float | None = None

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
        machine = self.machine(ref, instance)
        try:
            return self._bring(machine, plan, journal)
        except (UnreachableError, ConnectionLostError):
            return Status(State.CREATING, None, _BOOTING)
        except LoginRefusedError:
            now = self._instances.client.clock.now()
            self._refused_since = now if self._refused_since is None else self._refused_since
            if now - self._refused_since >= _NEW_S:
                raise
            return Status(State.CREATING, None, "the instance boots: sshd does not know the key yet")

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
                return Status(State.CREATING, None, _BOOTING)
            return Status(State.UNKNOWN, None, f"OVHcloud says ACTIVE, and it does not answer: {error.message}")
        if not sight.label:
            return Status(State.CREATING, None, "the instance is up, and nothing of plexctl's is on it yet")
        return status_on_host(sight, instance.addresses[0])

    def machine(self, ref: Ref, instance: Instance) -> Machine:
        """Return how to log in: with the deployment's own key, else with the user's. Raises NotFoundError."""
        if not instance.addresses:
            raise NotFoundError(f"{ref.name} has no public address", hint="`plexctl status` says how far it is")
        keys, environment = keys_of(self._context.home, ref.id), self._context.environment
        pair, home = keys.pair(), environment.get("HOME")
        recorded = place_of(ref).get(HOST_KEY)
        pins = keys.pins() or ((recorded,) if recorded else ())
        login = Login(
            Destination(instance.addresses[0], user=self._user(ref, instance)),
            Trust(pinned=pins, known_hosts=Path(home) / ".ssh" / "known_hosts" if home else None),
            identity=None if pair is None else pair.private,
            agent=environment.get("SSH_AUTH_SOCK"),
            home=Path(home) if home else None,
        )
        return Machine(login)

    def _bring(self, machine: Machine, plan: Plan, journal: DeploymentJournal) -> Status:
        keys = keys_of(self._context.home, journal.ref.id)
        with connect_to(machine) as host:
            if host.connection.run(["test", "-e", MARKER]).code != 0:
                return Status(State.CREATING, None, "cloud-init prepares the instance")
            if keys.host_pair() is None:
                return self._put(host, plan, journal)
        with connect_to(rotate(machine, keys)) as host:
            return self._put(host, plan, journal)

    def _put(self, host: Open, plan: Plan, journal: DeploymentJournal) -> Status:
        bring_up(host, plan, journal, self._context)
        status = status_on_host(look(host), host.machine.address)
        if status.endpoint is not None and status.state is not State.CREATING:
            journal.reached(status.endpoint)
        return status

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
