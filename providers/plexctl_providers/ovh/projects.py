"""Which Public Cloud project: the one that is named, else the only one of the account."""

from __future__ import annotations

from plexctl.errors import ConfigurationError, PreflightError
from plexctl.spec import Spec
from plexctl_providers.ovh.client import Client

_HINT = "name it in ovh.project (PLEXCTL_OVH_PROJECT)"


def project_for(client: Client, spec: Spec) -> str:
    """Return the project of a spec. Raises as `only_project` does."""
    return spec.ovh.project or only_project(client)


def only_project(client: Client) -> str:
    """Return the one project there can be. Raises PreflightError without one, ConfigurationError for several."""
    found = client.projects()
    if not found:
        hint = "create one in OVHcloud's control panel (Public Cloud)"
        raise PreflightError("the account has no Public Cloud project", hint=hint)
    if len(found) > 1:
        raise ConfigurationError(f"the account has {len(found)} projects: {', '.join(sorted(found))}", hint=_HINT)
    return found[0]
