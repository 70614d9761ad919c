"""The project: its number, and which APIs are on. Enabling is the one thing that stays when a deployment is gone."""

from __future__ import annotations

from plexctl.errors import ConfigurationError, PlexError, ProviderError
from plexctl_providers.cloudrun.answers import Json
from plexctl_providers.cloudrun.client import Google
from plexctl_providers.cloudrun.errors import is_absent, is_disabled, is_forbidden

_ON = "ENABLED"
_API = "serviceusage"
_RUN = "run.googleapis.com"


def project_number(google: Google, project: str) -> str:
    """Return the project's number. Raises ConfigurationError for a project that is not, or that we may not see.

    Google does not tell those two apart. Where the Resource Manager's API is off, Service Usage says the number.
    """
    try:
        name = google.call("cloudresourcemanager", "GET", f"/v3/projects/{project}").get("name")
    except PlexError as error:
        if is_disabled(error):
            return _number(next((one.get("parent") for one in _states(google, project, [_RUN])), ""), project)
        if not is_absent(error) and not is_forbidden(error):
            raise
        words = f"there is no project {project} that these credentials may see"
        hint = "`gcloud projects list` shows yours: set cloudrun.project or GOOGLE_CLOUD_PROJECT to one of them"
        raise ConfigurationError(words, hint=hint) from error
    return _number(name, project)


def disabled_apis(google: Google, project: str, wanted: list[str]) -> list[str]:
    """Return which of the APIs are off."""
    states = {str(one.get("name", "")).rpartition("/")[2]: one.get("state") for one in _states(google, project, wanted)}
    return [name for name in wanted if states.get(name) != _ON]


def enable(google: Google, project: str, call: Json) -> None:
    """Enable those of the planned APIs that are off, and wait until they are on."""
    off = disabled_apis(google, project, call["json"]["serviceIds"])
    if off:
        google.context.progress(f"enabling {', '.join(name.partition('.')[0] for name in off)} in {project}")
        operation = google.call(_API, "POST", call["path"], {"serviceIds": off})
        google.finish(_API, "v1", operation, "enable the APIs")


def _number(name: object, project: str) -> str:
    number = str(name).rpartition("/")[2]
    if not number.isdigit():
        raise ProviderError(f"Google does not tell the number of project {project}")
    return number


def _states(google: Google, project: str, wanted: list[str]) -> list[Json]:
    names = [f"projects/{project}/services/{name}" for name in wanted]
    answer = google.call(_API, "GET", f"/v1/projects/{project}/services:batchGet", query={"names": names})
    return list(answer.get("services", ()))
