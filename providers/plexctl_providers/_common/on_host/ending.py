"""Ending a deployment on a host: its unit stopped, or everything of it removed, and read back."""

from __future__ import annotations

from plexctl_providers._common.on_host.machine import Open


def stop_unit(host: Open, label: str) -> None:
    """End gateway and bootstrap, so that they stay ended after a reboot too; read back. Nothing there is success.

    Raises ProviderError when something of it still runs.
    """
    raise NotImplementedError


def uninstall(host: Open, label: str) -> list[str]:
    """Remove all that plexctl put on the host; return it as `holdings` names it. Nothing there is success.

    Needs nothing of what is there to be whole. A host that carries another deployment is left alone. Raises
    ProviderError when something is still there afterwards.
    """
    raise NotImplementedError


def holdings(host: Open, label: str) -> list[str]:
    """List what plexctl put on the host, such as `/opt/plexctl` or `user plexctl`; nothing for another's deployment."""
    raise NotImplementedError
