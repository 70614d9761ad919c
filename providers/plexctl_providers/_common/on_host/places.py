"""Which host a deployment is on, as the `detail` of its resources: enough to find it from another computer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from plexctl.model import Ref
from plexctl_providers._common.host import ACCEPTED, DESTINATION, FILES, GATEWAY_PORT, HOST_KEY, IDENTITY, JUMP
from plexctl_providers._common.on_host.machine import Open
from plexctl_providers._common.ssh.destination import Destination
from plexctl_providers._common.ssh.keys import public_half

__all__ = ["ACCEPTED", "DESTINATION", "HOST_KEY", "IDENTITY", "JUMP", "PORT", "destination_of", "detail_of", "place_of"]

PORT = GATEWAY_PORT


def detail_of(host: Open) -> dict[str, str]:
    """Return what is recorded of a host: destination, the key that it showed, jump host, key file; nothing secret."""
    login = host.machine.login
    found = {DESTINATION: str(login.destination), HOST_KEY: public_half(host.connection.host_key)}
    if login.jump is not None:
        found[JUMP] = str(login.jump.destination)
    if isinstance(login.identity, Path):
        found[IDENTITY] = str(login.identity)
    if login.trust.accepted:
        found[ACCEPTED] = ",".join(login.trust.accepted)
    return found


def place_of(ref: Ref) -> dict[str, str]:
    """Return what is recorded of a deployment's host; empty where nothing is."""
    recorded = [dict(one.detail) for one in ref.resources if DESTINATION in one.detail]
    files = [dict(one.detail) for one in ref.resources if one.kind == FILES and DESTINATION in one.detail]
    return (files or recorded or [{}])[-1]


def destination_of(place: Mapping[str, str]) -> Destination | None:
    """Return where that host is. Raises ConfigurationError for what is no destination."""
    return Destination.parse(place[DESTINATION]) if DESTINATION in place else None
