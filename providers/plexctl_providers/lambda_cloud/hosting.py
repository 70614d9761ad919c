"""The instance as a host to log in to: whom to believe there, and bringing it up once it has booted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from plexctl.contract import Context, DeploymentJournal
from plexctl.images import PORT as IMAGE_PORT
from plexctl.model import Endpoint, Plan, Ref, Status
from plexctl.states import State
from plexctl_providers._common.files import resource
from plexctl_providers._common.host import FILES
from plexctl_providers._common.host_cloud_init import CALLER_CIDR, MARKER
from plexctl_providers._common.on_host.bringing import bring_up
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers._common.on_host.looking import look, status_of
from plexctl_providers._common.on_host.machine import Machine, Open, connect_to
from plexctl_providers._common.on_host.places import HOST_KEY, PORT, destination_of, place_of
from plexctl_providers._common.on_host.rotating import rotate
from plexctl_providers._common.placeholders import names_in
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import ConnectionLostError, LoginRefusedError, UnreachableError
from plexctl_providers._common.ssh.keys import KeyPair, new_key_pair
from plexctl_providers._common.ssh.login import Login
from plexctl_providers._common.ssh.trust import Trust
from plexctl_providers.lambda_cloud.account import Account
from plexctl_providers.lambda_cloud.answers import Instance
from plexctl_providers.lambda_cloud.making import body_of
from plexctl_providers.lambda_cloud.requests import RULESET

USER = "ubuntu"
"""Of Lambda's images."""
ANYWHERE = "0.0.0.0/0"
"""Who may reach sshd, with a key alone, until the first login has shown from where the caller comes."""
_NEW_S = 60.0
"""How long a new instance may refuse its key: it can be put there after sshd has come up."""


@dataclass(slots=True)
class Hosting:
    """What is done on instances, once they can be reached."""

    account: Account
    context: Context
    refused_since: float | None = None
    knows_caller: bool = False
    """Whether ssh is open to the caller's address alone by now."""

    def new_pair(self, label: str) -> KeyPair:
        """Return a new key that logs in, for a deployment alone."""
        return new_key_pair(label)

    def machine(self, ref: Ref) -> Machine | None:
        """Return the host that is recorded; None where none is yet."""
        destination = destination_of(place_of(ref))
        return None if destination is None else self._machine(ref, destination)

    def machine_at(self, ref: Ref, address: str) -> Machine:
        """Return an instance as a host: its pinned key is believed alone, and its own key shown."""
        return self._machine(ref, Destination(address, user=USER))

    def look(self, ref: Ref, address: str) -> Status:
        """Say what is true on the host. Raises what connecting raises."""
        with connect_to(self.machine_at(ref, address)) as host:
            return status_of(look(host), address)

    def proceed(self, plan: Plan, journal: DeploymentJournal, instance: Instance) -> Status:
        """Do what can be done by now: log in, make the host key anew, put bundle and secrets, start the bootstrap.

        Raises CredentialsError for another host key than the pinned one, and what `bring_up` raises.
        """
        ref, address = journal.ref, instance.address
        if address is None:
            return Status(State.CREATING, None, "the instance is active and has no address yet")
        try:
            return self._brought_up(plan, journal, address)
        except (UnreachableError, ConnectionLostError) as error:
            self._let_in_the_caller(plan, ref, ANYWHERE)
            return Status(State.CREATING, None, f"the instance is active; ssh does not answer yet ({error.message})")
        except LoginRefusedError:
            now = self.account.client.clock.now()
            self.refused_since = now if self.refused_since is None else self.refused_since
            if now - self.refused_since >= _NEW_S:
                raise
            return Status(State.CREATING, None, "the instance is active; sshd does not know the key yet")

    def _brought_up(self, plan: Plan, journal: DeploymentJournal, address: str) -> Status:
        machine, keys = self.machine_at(journal.ref, address), keys_of(self.context.home, journal.ref.id)
        with connect_to(machine) as host:
            if not _is_prepared(host):
                return Status(State.CREATING, None, "the instance prepares itself (cloud-init)")
            if keys.host_pair() is None:
                return self._put(host, plan, journal)
        with connect_to(rotate(machine, keys)) as host:
            return self._put(host, plan, journal)

    def _put(self, host: Open, plan: Plan, journal: DeploymentJournal) -> Status:
        if not self.knows_caller:
            self._let_in_the_caller(plan, journal.ref, _caller(host))
            self.knows_caller = True
        bring_up(host, plan, journal, self.context)
        return status_of(look(host), host.machine.address)

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

    def _machine(self, ref: Ref, destination: Destination) -> Machine:
        keys, recorded = keys_of(self.context.home, ref.id), place_of(ref).get(HOST_KEY)
        pins = keys.pins() or (() if recorded is None else (recorded,))
        pair = keys.pair()
        login = Login(
            destination,
            Trust(pinned=pins),
            identity=pair.private if pair else None,
            agent=self.context.environment.get("SSH_AUTH_SOCK"),
        )
        return Machine(login)


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


def _is_prepared(host: Open) -> bool:
    return host.connection.run(["test", "-e", MARKER]).code == 0


def _caller(host: Open) -> str:
    """Return the address that the host sees this computer at; anywhere, when it does not tell one that a rule takes."""
    told = host.connection.run(["sh", "-c", 'printf %s "${SSH_CONNECTION%% *}"']).out.strip()
    is_plain = all(part.isdigit() for part in told.split(".")) and told.count(".") == 3  # noqa: PLR2004 - of IPv4
    return f"{told}/32" if is_plain else ANYWHERE


def _opened(rule: Mapping[str, Any], network: str) -> dict[str, Any]:
    named = CALLER_CIDR in names_in(rule["source_network"])
    return {**rule, "source_network": network} if named else dict(rule)
