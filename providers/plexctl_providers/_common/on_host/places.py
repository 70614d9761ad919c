"""Which host a deployment is on, as the `detail` of its resources: enough to find it from another computer."""

from __future__ import annotations

from collections.abc import Mapping

from plexctl_providers._common.on_host.machine import Machine

DESTINATION, HOST_KEY, JUMP, IDENTITY = "destination", "host_key", "jump", "identity"
"""Names in a detail: user@host[:port]; the pinned public key; the jump host; the file of the user's own key."""


def detail_of(machine: Machine, host_key: str) -> dict[str, str]:
    """Return what is recorded of a host that showed this public key."""
    login = machine.login
    found = {DESTINATION: str(login.destination), HOST_KEY: host_key}
    if login.jump is not None:
        found[JUMP] = str(login.jump.destination)
    return found


def is_recorded(detail: Mapping[str, str]) -> bool:
    """Tell whether a detail names a host."""
    return DESTINATION in detail
