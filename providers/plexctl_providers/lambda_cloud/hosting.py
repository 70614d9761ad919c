"""The instance as a host to log in to: whom to believe there, and bringing it up once it has booted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plexctl.contract import Context, DeploymentJournal
from plexctl.images import PORT as IMAGE_PORT
from plexctl.model import Endpoint, Plan, Ref, Status
from plexctl.states import State
from plexctl_providers._common.files import resource
from plexctl_providers._common.host import FILES
from plexctl_providers._common.host_cloud_init import CALLER_CIDR
from plexctl_providers._common.on_host.looking import look, status_of
from plexctl_providers._common.on_host.machine import Machine, Open, connect_to
from plexctl_providers._common.on_host.places import PORT, destination_of, place_of
from plexctl_providers._common.on_host.rented import ANYWHERE, Booting, caller_of, close_to_others, machine_of
from plexctl_providers._common.placeholders import names_in
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import ConnectionLostError, UnreachableError
from plexctl_providers._common.ssh.keys import KeyPair, new_key_pair
from plexctl_providers.lambda_cloud.account import Account
from plexctl_providers.lambda_cloud.answers import Instance
from plexctl_providers.lambda_cloud.making import body_of
from plexctl_providers.lambda_cloud.requests import RULESET

USER = "ubuntu"
"""Of Lambda's images."""


@dataclass(slots=True)
class Hosting:
    """What is done on instances, once they can be reached."""

    account: Account
    context: Context
    booting: Booting = field(init=False)

    def __post_init__(self) -> None:
        self.booting = Booting(self.context, self.account.client.clock.now)

    def new_pair(self, label: str) -> KeyPair:
        """Return a new key that logs in, for a deployment alone."""
        return new_key_pair(label)

    def machine(self, ref: Ref) -> Machine | None:
        """Return the host that is recorded; None where none is yet."""
        destination = destination_of(place_of(ref))
        return None if destination is None else machine_of(ref, destination, self.context)

    def machine_at(self, ref: Ref, address: str) -> Machine:
        """Return an instance as a host: its pinned key is believed alone, and its own key shown."""
        return machine_of(ref, Destination(address, user=USER), self.context)

    def look(self, ref: Ref, address: str) -> Status:
        """Say what is true on the host. Raises what connecting raises."""
        with connect_to(self.machine_at(ref, address)) as host:
            return status_of(look(host), address)

    def proceed(self, plan: Plan, journal: DeploymentJournal, instance: Instance) -> Status:
        """Do what can be done by now, with ssh open to this computer alone once it has logged in.

        Raises what `Booting.proceed` raises, but for an instance that does not answer.
        """
        ref, address = journal.ref, instance.address
        if address is None:
            return Status(State.CREATING, None, "the instance is active and has no address yet")

        def enter(host: Open) -> None:
            caller = caller_of(host)
            self._let_in_the_caller(plan, ref, f"{caller}/32" if caller else ANYWHERE)
            close_to_others(host, plan, self.context.progress)

        try:
            return self.booting.proceed(self.machine_at(ref, address), plan, journal, enter)
        except (UnreachableError, ConnectionLostError) as error:
            self._let_in_the_caller(plan, ref, ANYWHERE)
            return Status(State.CREATING, None, f"the instance is active; ssh does not answer yet ({error.message})")

    def _let_in_the_caller(self, plan: Plan, ref: Ref, network: str) -> None:
        """Open the ruleset's port of ssh to these addresses alone, where the spec names none."""
        planned = next((one for one in plan.resources if one.kind == RULESET), None)
        recorded = ref.first(RULESET)
        if planned is None or recorded is None or CALLER_CIDR not in names_in(body_of(planned)):
            return
        there = next((one for one in self.account.rulesets() if one.id == recorded.id), None)
        wanted = [_opened(rule, network) for rule in body_of(planned)["rules"]]
        if there is not None and [dict(one) for one in there.rules] != wanted:
            self.account.change_rules(there.id, wanted)


def endpoint_of(plan: Plan) -> Endpoint | None:
    """Return where callers go, where that is known before there is an instance: through an ssh tunnel."""
    settings: Any = resource(plan, FILES).body["bootstrap"]
    if settings["PUBLIC"]:
        return None
    here = f"127.0.0.1:{settings['PORT']}"
    return Endpoint(f"http://{here}", f"ws://{here}/api/chat", "ssh")


def recorded_port(ref: Ref) -> int:
    """Return the gateway's port on the host's loopback, as it is recorded, or the default."""
    return int(place_of(ref).get(PORT, IMAGE_PORT))


def _opened(rule: Mapping[str, Any], network: str) -> dict[str, Any]:
    named = CALLER_CIDR in names_in(rule["source_network"])
    return {**rule, "source_network": network} if named else dict(rule)
