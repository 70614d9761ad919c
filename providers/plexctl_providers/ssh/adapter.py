"""Hosts of one's own, reached by ssh: one deployment a host, nothing at any provider."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import ClassVar

from plexctl.contract import Capabilities, Context, DeploymentJournal
from plexctl.errors import NoCredentialsError, NotFoundError
from plexctl.model import (
    Deployment,
    Endpoint,
    Finding,
    LogLine,
    Need,
    Offer,
    Plan,
    Ref,
    Removal,
    Status,
)
from plexctl.spec import Spec
from plexctl.states import State
from plexctl_providers._common.host import GATEWAY_PORT, HOST_KEY
from plexctl_providers._common.on_host import ending
from plexctl_providers._common.on_host.bringing import bring_up
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers._common.on_host.logs import log_lines
from plexctl_providers._common.on_host.looking import endpoint_of, look, status_of
from plexctl_providers._common.on_host.machine import Machine, connect_to
from plexctl_providers._common.on_host.places import place_of
from plexctl_providers._common.on_host.tunnels import tunnel
from plexctl_providers.ssh import requests
from plexctl_providers.ssh.finding import found_at, host_with
from plexctl_providers.ssh.machines import command_line, machine_planned, machine_recorded, machines_wanted
from plexctl_providers.ssh.removal import removal_of
from plexctl_providers.ssh.visits import findings_of, offers_of, visit_all

_HINT = "name it as user@host[:port] with --host, or in ssh.hosts (PLEXCTL_SSH_HOST)"


class SshProvider:
    """Deploys to a host of the user's own, which stays as it was but for what plexctl puts there.

    A Need cannot say which hosts there are: after a check of a spec, `offers` offers what that has seen, and otherwise
    looks at the hosts that the environment names.
    """

    name: ClassVar[str] = "ssh"
    capabilities: ClassVar[Capabilities] = Capabilities(
        stop_keeps_disk=True, follows_logs=True, ends_itself=True, runs_without_gpu=True
    )

    def __init__(self, context: Context) -> None:
        self._context = context
        self._seen: list[Offer] = []

    def preflight(self, spec: Spec) -> list[Finding]:
        """Log in to every host and look; one that cannot be had is passed over while there are others.

        Raises CredentialsError, ProviderError, PreflightError (sudo), ConflictError where none can be had.
        """
        machines = machines_wanted(self._context, spec)
        if not machines:
            return requests.check(spec, Offer(self.name, None, 0, None, 0.0, "no host", None))
        visits, failed = visit_all(machines)
        findings = findings_of(visits, failed, spec.name)
        self._seen = offers_of(visits, spec.name)
        return [*findings, *(one for one in requests.check(spec, self._seen[0]) if one.check != "host")]

    def offers(self, need: Need) -> list[Offer]:
        """Offer each host with the GPU that it has; they are free, so that no need is refused here.

        Raises what `preflight` raises where no host can be had, NoCredentialsError where none is named.
        """
        del need
        if self._seen:
            return self._seen
        machines = self._named()
        visits, failed = visit_all(machines)
        if not visits:
            raise next(iter(failed.values()))
        return offers_of(visits, None)

    def status(self, ref: Ref) -> Status:
        """Look at the host, its GPUs included. Raises CredentialsError, ProviderError."""
        machine = self._machine(ref)
        if machine is None:
            return Status(State.MISSING, None, "no host that is named carries it")
        with connect_to(machine) as host:
            sight = look(host)
        if sight.label != ref.label:
            return Status(State.MISSING, None, f"it is not on {machine.login.destination}", sight.gpus)
        return status_of(sight, machine.address)

    def logs(self, ref: Ref, *, follow: bool, since: float | None, tail: int | None) -> Iterator[LogLine]:
        """Read the journal of the unit, or its log where there is no systemd."""
        machine = self._machine(ref)
        if machine is not None:
            yield from log_lines(machine, ref.label, follow=follow, since=since, tail=tail)

    def find(self, name: str | None) -> list[Ref]:
        """Ask the hosts that PLEXCTL_SSH_HOST names. Raises NoCredentialsError where it names none."""
        return found_at(self._named(), name)

    def plan(self, spec: Spec, offer: Offer) -> Plan:
        """Lay out what is done on the host."""
        return requests.build_plan(spec, offer)

    def apply(self, plan: Plan, journal: DeploymentJournal) -> Deployment:
        """Bring up the host that the journal knows, or else the plan's; return once the bootstrap has looked around."""
        machine = self._machine(journal.ref) or machine_planned(self._context, plan)
        with connect_to(machine) as host:
            changed = bring_up(host, plan, journal, self._context)
            endpoint = endpoint_of(look(host), machine.address)
        if endpoint is not None:
            journal.reached(endpoint)
        return Deployment(journal.ref, endpoint, changed)

    def stop(self, ref: Ref) -> None:
        """End the gateway and read back that nothing of it runs; files and weights stay."""
        machine = self._machine(ref)
        if machine is not None:
            with connect_to(machine) as host:
                ending.stop_unit(host, ref.label)

    def destroy(self, ref: Ref, *, everything: bool = False) -> Removal:
        """Remove what plexctl put on the host, and nothing else, and read back."""
        del everything
        machine = self._machine(ref)
        removal = Removal()
        if machine is not None:
            with connect_to(machine) as host:
                removal = removal_of(ref, ending.uninstall(host, ref.label))
        keys_of(self._context.home, ref.id).remove()
        return removal

    def tunnel(self, ref: Ref) -> AbstractContextManager[Endpoint]:
        """Give the gateway on this computer's loopback, through ssh."""
        machine, place = self._there(ref), place_of(ref)
        if GATEWAY_PORT in place:
            return tunnel(machine, int(place[GATEWAY_PORT]))
        with connect_to(machine) as host:
            port = look(host).port
        if port is None:
            raise self._not_there(ref)
        return tunnel(machine, port)

    def shell(self, ref: Ref) -> tuple[str, ...]:
        """Return OpenSSH's command line, which believes the key that the host showed, and no other of that host."""
        machine = self._there(ref)
        login, key = machine.login, place_of(ref).get(HOST_KEY)
        if key is None:
            with connect_to(machine) as host:
                key = host.connection.host_key
        known_hosts = keys_of(self._context.home, ref.id).known_hosts(login.destination, (key,))
        return command_line(login, known_hosts)

    def holdings(self, ref: Ref) -> list[str]:
        """List what a destroy removes from the host."""
        machine = self._machine(ref)
        if machine is None:
            return []
        with connect_to(machine) as host:
            return ending.holdings(host, ref.label)

    def _named(self) -> dict[str, Machine]:
        machines = machines_wanted(self._context, Spec())
        if not machines:
            raise NoCredentialsError("PLEXCTL_SSH_HOST names no host", hint=_HINT)
        return machines

    def _machine(self, ref: Ref) -> Machine | None:
        """Return the host that is recorded; where what is recorded names none, the named one that carries it."""
        place = place_of(ref)
        if place:
            return machine_recorded(self._context, place)
        return host_with(machines_wanted(self._context, Spec()), ref.label) if ref.resources else None

    def _there(self, ref: Ref) -> Machine:
        machine = self._machine(ref)
        if machine is None:
            raise self._not_there(ref)
        return machine

    def _not_there(self, ref: Ref) -> NotFoundError:
        return NotFoundError(f"no host that is named carries {ref.label}", hint=_HINT)
