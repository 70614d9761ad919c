"""Making a host's ssh key anew over a verified connection: the injected one lay in the provider's user data."""

from __future__ import annotations

from plexctl_providers._common.on_host.keeping import Keys
from plexctl_providers._common.on_host.machine import Machine


def rotate(machine: Machine, keys: Keys) -> Machine:
    """Make the host key anew and return the machine with the new pin, which a connection has shown.

    The new public key is pinned beside the old one before sshd gets it, and the old one is forgotten once a connection
    has shown the new one: whoever is killed in between is let in by either. Done already is success. Raises
    ProviderError where the host does not do it, and what connecting raises.
    """
    raise NotImplementedError
