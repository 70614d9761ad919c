"""Making a host's ssh key anew over a verified connection: the injected one lay in the provider's user data."""

from __future__ import annotations

from dataclasses import replace

from plexctl.errors import ProviderError
from plexctl_providers._common.on_host.keeping import Keys
from plexctl_providers._common.on_host.machine import Machine, Open, connect_to
from plexctl_providers._common.on_host.refusals import failure_of
from plexctl_providers._common.ssh.keys import public_half
from plexctl_providers._common.ssh.trust import Trust


def rotate(machine: Machine, keys: Keys) -> Machine:
    """Make the host key anew and return the machine with the new pin, which a connection has shown.

    The new public key is pinned beside the old one before sshd gets it, and the old one is forgotten once a connection
    has shown the new one: whoever is killed in between is let in by either. Done already is success. Raises
    ProviderError where the host does not do it, and what connecting raises.
    """
    injected = keys.host_pair()
    if injected is None:
        return believing(machine, *keys.pins()) if keys.pins() else machine
    old = public_half(injected.public)
    with connect_to(believing(machine, *keys.pins())) as host:
        if public_half(host.connection.host_key) == old:
            new = public_half(_said(host, "make"))
            keys.pin(old, new)
            _said(host, "use")
    with connect_to(believing(machine, *keys.pins())) as host:
        shown = public_half(host.connection.host_key)
    if shown == old:
        raise ProviderError(f"{machine.address} still shows its old ssh key", hint="deploy again: it is made anew")
    keys.pin(shown)
    keys.forget_host_pair()
    return believing(machine, shown)


def believing(machine: Machine, *pins: str) -> Machine:
    """Return the machine as one that must show one of these public keys."""
    return replace(machine, login=replace(machine.login, trust=Trust(pinned=pins)))


def _said(host: Open, what: str) -> str:
    done = host.script("rotate", what)
    if done.code != 0:
        raise failure_of(done.code, f"{done.err}\n{done.out}", host.where)
    return done.out.strip()
