"""Which hosts there are, and how one logs in to them: by the spec, by the environment, or by what was recorded."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast

from plexctl.contract import Context
from plexctl.model import Plan
from plexctl.secret import Secret
from plexctl.spec import Spec
from plexctl_providers._common.files import resource
from plexctl_providers._common.host import ACCEPTED, DESTINATION, FILES, HOST_KEY, IDENTITY, JUMP
from plexctl_providers._common.on_host.machine import Machine
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.identities import DEFAULTS
from plexctl_providers._common.ssh.keys import fingerprint
from plexctl_providers._common.ssh.login import Login, argv
from plexctl_providers._common.ssh.trust import Trust
from plexctl_providers.ssh.requests import HOST, LOGIN, login_of

PASSWORD = "PLEXCTL_SUDO_PASSWORD"  # noqa: S105 - a name
_IDENTITY, _JUMP, _ACCEPT = "PLEXCTL_SSH_IDENTITY", "PLEXCTL_SSH_JUMP", "PLEXCTL_ACCEPT_HOST_KEY"


def named_hosts(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the hosts that the environment names."""
    return _listed(environment.get(HOST, ""))


def machine_named(context: Context, text: str) -> Machine:
    """Return a host of the environment's. Raises ConfigurationError for what is no destination."""
    found = context.environment
    wanted = {IDENTITY: found.get(_IDENTITY, ""), JUMP: found.get(_JUMP, ""), ACCEPTED: found.get(_ACCEPT, "")}
    return _machine(context, {DESTINATION: text, **wanted})


def machines_wanted(context: Context, spec: Spec) -> dict[str, Machine]:
    """Return the hosts of a spec, or else of the environment, by what the user calls them."""
    if not spec.ssh.hosts:
        return {one: machine_named(context, one) for one in named_hosts(context.environment)}
    return {one: _machine(context, login_of(spec, one)) for one in dict.fromkeys(spec.ssh.hosts)}


def machine_planned(context: Context, plan: Plan) -> Machine:
    """Return the host of a plan. Raises ConfigurationError for what is no destination."""
    return _machine(context, cast("Mapping[str, str]", resource(plan, FILES).body[LOGIN]))


def machine_recorded(context: Context, place: Mapping[str, str]) -> Machine:
    """Return the host of a deployment, as its resources' detail tells.

    The user's known_hosts counts first: who installs a host anew writes its key there. The key that it showed before is
    believed where known_hosts does not know the host. A key's file that is not on this computer is passed over.
    """
    accepted = [*_listed(place.get(ACCEPTED, "")), *_listed(context.environment.get(_ACCEPT, ""))]
    if HOST_KEY in place:
        accepted.append(fingerprint(place[HOST_KEY]))
    identity = context.environment.get(_IDENTITY) or place.get(IDENTITY, "")
    if not context.environment.get(_IDENTITY) and identity and not _expanded(context, identity).exists():
        identity = ""
    return _machine(context, {**place, ACCEPTED: ",".join(dict.fromkeys(accepted)), IDENTITY: identity})


def command_line(login: Login, known_hosts: Path) -> tuple[str, ...]:
    """Return OpenSSH's command line to a host, which shows the same keys as plexctl does."""
    if isinstance(login.identity, Path):
        return argv(login, known_hosts=known_hosts, identity=login.identity)
    client, *rest = argv(login, known_hosts=known_hosts, identity=None)
    files = [] if login.home is None else [login.home / ".ssh" / name for name in DEFAULTS]
    return (client, *(word for path in files if path.is_file() for word in ("-i", str(path))), *rest)


def _machine(context: Context, wanted: Mapping[str, str]) -> Machine:
    home = _home(context)
    known_hosts = None if home is None else home / ".ssh" / "known_hosts"
    trust = Trust(known_hosts=known_hosts, accepted=_listed(wanted.get(ACCEPTED, "")))
    identity = Path(wanted[IDENTITY]) if wanted.get(IDENTITY) else None
    agent = context.environment.get("SSH_AUTH_SOCK") or None
    jump = wanted.get(JUMP)
    way = None if not jump else Login(Destination.parse(jump), trust, identity, agent, home)
    password = context.environment.get(PASSWORD)
    login = Login(Destination.parse(wanted[DESTINATION]), trust, identity, agent, home, way)
    return Machine(login, Secret(password) if password else None)


def _expanded(context: Context, path: str) -> Path:
    home = _home(context)
    return home / path[2:] if home is not None and path.startswith("~/") else Path(path)


def _home(context: Context) -> Path | None:
    found = context.environment.get("HOME") or context.environment.get("USERPROFILE")
    return Path(found) if found else None


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())
