"""Finding deployments on the hosts that are named, by what is on them alone."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from plexctl.errors import PlexError, ProviderError
from plexctl.model import Ref, Resource
from plexctl.side_by_side import ask_all
from plexctl_providers._common.host import BUNDLE, FILES, GATEWAY_PORT, SECRETS, SECRETS_FILE
from plexctl_providers._common.on_host.looking import look, name_and_id
from plexctl_providers._common.on_host.machine import Machine, connect_to
from plexctl_providers._common.on_host.places import detail_of

_ASK_S = 50.0


def found_at(machines: Mapping[str, Machine], name: str | None) -> list[Ref]:
    """Return the deployments on these hosts, of one name or all (None).

    Raises the error of a host that could not be asked, unless the name was found on another.
    """
    asked = {host: partial(_ask, machine) for host, machine in machines.items()}
    found: dict[str, Ref] = {}
    failures: list[Exception] = []
    for host, answer in ask_all(asked, _ASK_S).items():
        if isinstance(answer, TimeoutError):
            failures.append(ProviderError(f"{host}: {answer}", hint="look at the host; it may be busy"))
        elif isinstance(answer, Exception):
            failures.append(answer)
        elif answer is not None and name in (None, answer.name):
            found.setdefault(answer.label, answer)
    if failures and (name is None or not found):
        raise failures[0]
    return sorted(found.values(), key=lambda ref: (ref.name, ref.id))


def host_with(machines: Mapping[str, Machine], label: str) -> Machine | None:
    """Return the host that carries a deployment. Raises the error of one that could not be asked, if no other does."""
    failure: PlexError | None = None
    for machine in machines.values():
        try:
            ref = _ask(machine)
        except PlexError as error:
            failure = failure or error
            continue
        if ref is not None and ref.label == label:
            return machine
    if failure is not None:
        raise failure
    return None


def _ask(machine: Machine) -> Ref | None:
    with connect_to(machine) as host:
        sight, detail = look(host, digests=True), detail_of(host)
    named = name_and_id(sight.label)
    if named is None:
        return None
    if sight.port is not None:
        detail[GATEWAY_PORT] = str(sight.port)
    resources = [Resource(FILES, sight.label, BUNDLE, detail)]
    if sight.secrets:
        resources.append(Resource(SECRETS, SECRETS_FILE, SECRETS_FILE, detail))
    return Ref("ssh", *named, tuple(resources))
