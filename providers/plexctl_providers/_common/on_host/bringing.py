"""Bringing a host to a running gateway: claim it, put bundle and secrets there, start the bootstrap.

The bootstrap runs on the host, detached from the connection; `looking` tells how far it is. Only its first stage, which
looks and changes nothing, is waited for: what stands in the way on that host is the error of the deploy itself.
"""

from __future__ import annotations

from plexctl.contract import Context, DeploymentJournal
from plexctl.model import Plan
from plexctl_providers._common.on_host.machine import Open


def bring_up(host: Open, plan: Plan, journal: DeploymentJournal, context: Context) -> bool:
    """Make the plan's FILES and SECRETS real on the host, and start the bootstrap; return whether anything changed.

    Journals both: FILES before anything is put there, with all that finds the host again in its `detail`
    (`places.detail_of`); SECRETS once the bootstrap runs. Secrets' values are those of `context.secrets`; the
    id is the journal's; the expiry is counted from now where the gateway is not running already. What is there as
    planned, and running or on its way, is left alone.

    Raises ConflictError for a host that carries another deployment or whose port is taken, PreflightError for what
    the host lacks (disk, GPU, driver, system), StartError for what else ends the bootstrap at its start,
    ConnectionLostError.
    """
    raise NotImplementedError
