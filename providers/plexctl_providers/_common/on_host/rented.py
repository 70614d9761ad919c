"""A machine that a provider made for one deployment: who logs in there, and the way from its boot to its gateway."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from plexctl.contract import Context, DeploymentJournal
from plexctl.model import Plan, Ref, Status
from plexctl.states import State
from plexctl_providers._common.files import resource
from plexctl_providers._common.host_cloud_init import CALLER_CIDR, MARKER
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.on_host.bringing import bring_up
from plexctl_providers._common.on_host.keeping import keys_of
from plexctl_providers._common.on_host.looking import look, status_of
from plexctl_providers._common.on_host.machine import Machine, Open, connect_to
from plexctl_providers._common.on_host.places import HOST_KEY, place_of
from plexctl_providers._common.on_host.rotating import rotate
from plexctl_providers._common.placeholders import names_in
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.errors import ConnectionLostError, LoginRefusedError, UnreachableError
from plexctl_providers._common.ssh.login import Login, argv
from plexctl_providers._common.ssh.trust import Trust

ANYWHERE = "0.0.0.0/0"
"""Who may reach sshd, with a key alone, until the first login has shown from where the caller comes."""
_NEW_S = 60.0
"""How long a new machine may refuse its key: it can be put there after sshd has come up."""
_IPV4_PARTS = 4


def machine_of(ref: Ref, destination: Destination, context: Context) -> Machine:
    """Return the machine: its pinned key is believed, and the deployment's own key shown, else the user's."""
    keys, home = keys_of(context.home, ref.id), context.environment.get("HOME")
    pair, recorded = keys.pair(), place_of(ref).get(HOST_KEY)
    login = Login(
        destination,
        Trust(
            pinned=keys.pins() or ((recorded,) if recorded else ()),
            known_hosts=Path(home) / ".ssh" / "known_hosts" if home else None,
        ),
        identity=pair.private if pair else None,
        agent=context.environment.get("SSH_AUTH_SOCK"),
        home=Path(home) if home else None,
    )
    return Machine(login)


def shell_of(machine: Machine, ref: Ref, context: Context) -> tuple[str, ...]:
    """Return OpenSSH's command line, which believes what plexctl believes."""
    keys, login = keys_of(context.home, ref.id), machine.login
    known_hosts = keys.known_hosts(login.destination, login.trust.pinned)
    return argv(login, known_hosts=known_hosts, identity=keys.identity if keys.pair() else None)


@dataclass(slots=True)
class Booting:
    """The way of a new machine to its gateway, gone on with at each call."""

    context: Context
    now: Callable[[], float]
    """Seconds on a clock that only goes forward."""
    refused_since: float | None = None
    has_entered: bool = False

    def proceed(
        self, machine: Machine, plan: Plan, journal: DeploymentJournal, enter: Callable[[Open], None]
    ) -> Status:
        """Do what can be done by now: log in, make the host key anew, bring bundle and secrets, start the bootstrap.

        `enter` is called over the verified connection before anything is brought, once for as long as the machine
        answers. Raises UnreachableError and ConnectionLostError while it does not answer, CredentialsError for another
        host key than the pinned one and a login that is refused for good, and what `bring_up` raises.
        """
        try:
            return self._brought_up(machine, plan, journal, enter)
        except (UnreachableError, ConnectionLostError):
            self.has_entered = False
            raise
        except LoginRefusedError:
            now = self.now()
            self.refused_since = now if self.refused_since is None else self.refused_since
            if now - self.refused_since >= _NEW_S:
                raise
            return Status(State.CREATING, None, "the instance is up; sshd does not know the key yet")

    def _brought_up(
        self, machine: Machine, plan: Plan, journal: DeploymentJournal, enter: Callable[[Open], None]
    ) -> Status:
        keys = keys_of(self.context.home, journal.ref.id)
        with connect_to(machine) as host:
            if host.connection.run(["test", "-e", MARKER]).code != 0:
                return Status(State.CREATING, None, "the instance prepares itself (cloud-init)")
            if keys.host_pair() is None:
                return self._put(host, plan, journal, enter)
        with connect_to(rotate(machine, keys)) as host:
            return self._put(host, plan, journal, enter)

    def _put(self, host: Open, plan: Plan, journal: DeploymentJournal, enter: Callable[[Open], None]) -> Status:
        if not self.has_entered:
            enter(host)
            self.has_entered = True
        bring_up(host, plan, journal, self.context)
        return status_of(look(host), host.machine.address)


def close_to_others(host: Open, plan: Plan, tell: Callable[[str], None]) -> None:
    """Let ssh in from this computer's address alone until the machine boots again, where the spec names no addresses.

    For a machine whose user data closes a firewall of its own. Where that cannot be done it is told: ssh stays open by
    key alone, and nothing else is.
    """
    if CALLER_CIDR not in names_in(resource(plan, INSTANCE).body):
        return
    address = caller_of(host)
    why = "it does not tell the address of the caller" if address is None else _narrowed(host, address)
    if why:
        tell(f"{host.where}: ssh stays open to every address, by key alone: {why}")


def caller_of(host: Open) -> str | None:
    """Return the IPv4 address that the host sees this computer at; None when it does not tell one."""
    told = host.connection.run(["sh", "-c", 'printf %s "${SSH_CONNECTION%% *}"']).out.strip()
    parts = told.split(".")
    return told if len(parts) == _IPV4_PARTS and all(part.isascii() and part.isdigit() for part in parts) else None


def _narrowed(host: Open, address: str) -> str:
    """Close it; return why that failed, or nothing."""
    done = host.script("narrow", address)
    return "" if done.code == 0 else (done.err.strip().splitlines() or [f"narrow.sh ended with {done.code}"])[-1]
