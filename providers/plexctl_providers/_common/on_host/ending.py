"""Ending a deployment on a host: its unit stopped, or everything of it removed, and read back."""

from __future__ import annotations

from plexctl.errors import ProviderError
from plexctl_providers._common.on_host.looking import look
from plexctl_providers._common.on_host.machine import Open
from plexctl_providers._common.on_host.refusals import failure_of

_SAYS = "plexctl: has "
_STOP_S = 180.0
"""A gateway drains its conversations for 20 s; what does not end is killed after 60."""
_REMOVE_S = 600.0
"""Packages go too, and apt may be busy."""


def stop_unit(host: Open, label: str) -> None:
    """End gateway and bootstrap, so that they stay ended after a reboot too; read back. Nothing there is success.

    Raises ProviderError when something of it still runs.
    """
    done = host.script("stop", label, timeout_s=_STOP_S)
    if done.code != 0:
        raise failure_of(done.code, f"{done.err}\n{done.out}", host.where)
    sight = look(host)
    if sight.label == label and (sight.is_up or sight.bootstrap == "running"):
        raise ProviderError(f"{label} still runs on {host.where}", hint="stop it again")


def uninstall(host: Open, label: str) -> list[str]:
    """Remove all that plexctl put on the host; return it as `holdings` names it. Nothing there is success.

    Needs nothing of what is there to be whole. A host that carries another deployment is left alone. Raises
    ProviderError when something is still there afterwards.
    """
    had = holdings(host, label)
    done = host.script("remove", label, timeout_s=_REMOVE_S)
    if done.code != 0:
        raise failure_of(done.code, f"{done.err}\n{done.out}", host.where)
    left = holdings(host, label)
    if left:
        raise ProviderError(f"still on {host.where}: {', '.join(left)}", hint="destroy it again")
    return had


def holdings(host: Open, label: str) -> list[str]:
    """List what plexctl put on the host, such as `/opt/plexctl` or `user plexctl`; nothing for another's deployment."""
    done = host.script("holdings", label)
    if done.code != 0:
        raise failure_of(done.code, f"{done.err}\n{done.out}", host.where)
    return [line.removeprefix(_SAYS) for line in done.out.splitlines() if line.startswith(_SAYS)]
