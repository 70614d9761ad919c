"""What can be asked of Google before a region is chosen: who we are, the project, our rights."""

from __future__ import annotations

from plexctl.errors import PlexError
from plexctl.model import Finding, Level
from plexctl.spec import Spec
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.projects import project_number

_RIGHTS = (
    "run.services.create",
    "run.services.setIamPolicy",
    "secretmanager.secrets.create",
    "secretmanager.secrets.setIamPolicy",
    "storage.buckets.create",
    "serviceusage.services.enable",
)
"""What no deployment can do without."""
_BUILDS = ("artifactregistry.repositories.create", "cloudbuild.builds.create")


def preflight(google: Google, spec: Spec) -> list[Finding]:
    """Return what Google says of a spec before it costs. Raises CredentialsError and ConfigurationError."""
    project = google.project(spec.cloudrun.project)
    number = project_number(google, project)
    account = Finding("account", Level.OK, f"project {project} ({number})")
    try:
        return [account, *_check_rights(google, project, spec)]
    except PlexError as error:
        return [account, Finding("rights", Level.WARN, f"not checked: {error.message}")]


def _check_rights(google: Google, project: str, spec: Spec) -> list[Finding]:
    wanted = [*_RIGHTS, *(_BUILDS if spec.image.name is None else ())]
    path = f"/v3/projects/{project}:testIamPermissions"
    answer = google.call("cloudresourcemanager", "POST", path, {"permissions": wanted})
    lacking = [right for right in wanted if right not in answer.get("permissions", ())]
    if not lacking:
        return [Finding("rights", Level.OK, "the account may make all that is needed")]
    fix = "ask the project's owner for roles with them, such as roles/run.admin and roles/secretmanager.admin"
    return [Finding("rights", Level.FAIL, f"the account lacks {', '.join(lacking)} in {project}", fix)]
