"""Who we are to Google, and in which project: read from the user's environment, and only when something is asked.

`google.auth.default()` is not used for files, since it reads this process's own environment, which adapters never do:
the two files that it would open are opened by name instead. With an emulator's address nothing of this is opened, so
that no token made from a user's key goes there in the clear (held by tests/cloudrun/test_credentials.py).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from plexctl.errors import ConfigurationError, CredentialsError, NoCredentialsError
from plexctl_providers._common.loopback import is_loopback
from plexctl_providers.cloudrun.errors import LOGIN

EMULATOR = "PLEXCTL_GOOGLE_URL"
"""One base URL for all of Google's APIs; on the loopback only."""
_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
_PROJECTS = ("GOOGLE_CLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")
_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_NAME_A_PROJECT = "name one: cloudrun.project in plexctl.toml, or PLEXCTL_GOOGLE_PROJECT or GOOGLE_CLOUD_PROJECT"


@dataclass(frozen=True, slots=True)
class Identity:
    """Credentials as google-auth has them, and the project that came with them, if any."""

    credentials: Any
    project: str | None


def emulator_url(environment: Mapping[str, str]) -> str | None:
    """Return the emulator's address; None when Google itself is meant. Raises ConfigurationError off the loopback."""
    url = environment.get(EMULATOR, "").rstrip("/")
    if not url:
        return None
    if not _is_emulator(url):  # the address is not shown: there may be a password in it
        words = f"{EMULATOR} is no address of an emulator on this machine"
        raise ConfigurationError(words, hint="give http://127.0.0.1:PORT, or leave it out")
    return url


def identity(environment: Mapping[str, str]) -> Identity:
    """Return who we are. Raises CredentialsError with the command that mends it."""
    from google.auth import exceptions

    if emulator_url(environment):
        from google.auth.credentials import AnonymousCredentials

        return Identity(AnonymousCredentials(), None)  # type: ignore[no-untyped-call]
    try:
        path = _file(environment)
        return _from_machine(environment) if path is None else _from_file(path)
    except exceptions.DefaultCredentialsError as error:
        raise NoCredentialsError(f"no credentials of Google's were found: {error.args[0]}", hint=LOGIN) from error
    except exceptions.GoogleAuthError as error:
        raise CredentialsError(f"no credentials of Google's can be used: {error.args[0]}", hint=LOGIN) from error


def require_project(project: str | None) -> str:
    """Return the project. Raises ConfigurationError when nobody names one."""
    if project is None:
        raise ConfigurationError(
            "no Google Cloud project is named, and the credentials name none", hint=_NAME_A_PROJECT
        )
    return project


def environment_project(environment: Mapping[str, str]) -> str | None:
    """Return the project that the environment names; None leaves it to the credentials."""
    named = (environment.get(name) for name in _PROJECTS)
    return next((name for name in named if name), None)


def _file(environment: Mapping[str, str]) -> Path | None:
    """Return the file that google-auth would read: the one named, or gcloud's own where there is one."""
    if environment.get(_FILE):
        return Path(environment[_FILE])
    folder = environment.get("CLOUDSDK_CONFIG")
    home = environment.get("APPDATA") or f"{environment.get('HOME', '')}/.config"
    path = Path(folder or f"{home}/gcloud") / "application_default_credentials.json"
    return path if path.is_file() else None


def _from_file(path: Path) -> Identity:
    from google.auth import load_credentials_from_file
    from google.auth.transport.requests import Request

    with warnings.catch_warnings():
        # The warning is about files that strangers supplied; this one is the user's own, as google.auth.default's.
        warnings.simplefilter("ignore")
        try:
            found, project = load_credentials_from_file(str(path), _SCOPES, request=Request())  # type: ignore[no-untyped-call]
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise CredentialsError(f"the credentials in {path} cannot be read", hint=LOGIN) from error
    return Identity(found, project or getattr(found, "quota_project_id", None))


def _from_machine(environment: Mapping[str, str]) -> Identity:
    """Return the credentials of the machine at Google that we run on, if it is one."""
    import google.auth

    if environment.get("NO_GCE_CHECK", "").lower() == "true":
        raise NoCredentialsError("no credentials of Google's were found", hint=LOGIN)
    found, project = google.auth.default(_SCOPES)
    return Identity(found, project)


def _is_emulator(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme == "http" and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # half a bracket, or a port that is none
        return False
    return is_plain and is_loopback(parts.hostname or "")
