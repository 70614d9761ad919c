"""The only I/O with OVHcloud: python-ovh, asked once for what changes something, and patiently for what does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from plexctl.contract import Context
from plexctl.errors import PlexError
from plexctl_providers._common.clock import Clock
from plexctl_providers.ovh.credentials import PROJECT, Credentials, read_credentials
from plexctl_providers.ovh.errors import (
    as_plexctls,
    is_absent,
    is_busy,
    is_lost,
    is_of_the_clock,
    nonsense,
    read_refusal,
)
from plexctl_providers.ovh.sdk import forget_time, open_sdk

PROJECTS = "/cloud/project"
_TRIES = 4
_FIRST_PAUSE_S = 1.0
Json = dict[str, Any]


def project_path(project: str, *parts: str) -> str:
    """Return a path below a project, each part quoted."""
    return "/".join((PROJECTS, *(quote(part, safe="") for part in (project, *parts))))


class Client:
    """One account at OVHcloud. Raises the errors of `plexctl_providers.ovh.errors`, CredentialsError above all."""

    def __init__(self, context: Context, clock: Clock) -> None:
        self._context = context
        self.clock = clock

    @cached_property
    def credentials(self) -> Credentials:
        """Who one is. Raises ConfigurationError, NoCredentialsError."""
        return read_credentials(self._context.environment)

    def rows(self, path: str, action: str, **query: str | None) -> list[Json]:
        """Return a list of objects; asked again after a silence or a failure of OVHcloud's."""
        answer = self._steady(_with(path, query), action)
        if not isinstance(answer, list) or not all(isinstance(one, dict) for one in answer):
            raise nonsense(action, "no list of objects")
        return answer

    def found(self, path: str, action: str) -> Json | None:
        """Return an object, or None where OVHcloud says that there is none; asked again in the same way."""
        try:
            answer = self._steady(path, action)
        except PlexError as error:
            if is_absent(error):
                return None
            raise
        if not isinstance(answer, dict):
            raise nonsense(action, "no object")
        return answer

    def change(self, method: str, path: str, action: str, body: Mapping[str, object] | None = None) -> Any:
        """Ask exactly once for something that changes; only what was surely not done is asked again."""
        return self._patiently(lambda: self._once(method, path, action, body), is_busy)

    def projects(self) -> list[str]:
        """Return the ids of the account's projects: the one that the environment names, else all."""
        named = self._context.environment.get(PROJECT, "").strip()
        return [named] if named else self.all_projects()

    def all_projects(self) -> list[str]:
        """Return the ids of all projects of the account."""
        action = "list the projects"
        answer = self._steady(PROJECTS, action)
        if not isinstance(answer, list) or not all(isinstance(one, str) for one in answer):
            raise nonsense(action, "no list of ids")
        return answer

    def _steady(self, path: str, action: str) -> Any:
        return self._patiently(lambda: self._once("GET", path, action), lambda error: is_busy(error) or is_lost(error))

    def _patiently(self, ask: Callable[[], Any], may_repeat: Callable[[PlexError], bool]) -> Any:
        for attempt in range(_TRIES - 1):
            try:
                return ask()
            except PlexError as error:
                if not may_repeat(error):
                    raise
                self.clock.sleep(_FIRST_PAUSE_S * 2**attempt)
        return ask()

    def _once(self, method: str, path: str, action: str, body: Mapping[str, object] | None = None) -> Any:
        """Ask; what was refused for its signature is signed anew once, by the time that OVHcloud tells then."""
        try:
            return self._sent(method, path, action, body)
        except PlexError as error:
            if not is_of_the_clock(error):
                raise
            forget_time(self._sdk)
            return self._sent(method, path, action, body)

    def _sent(self, method: str, path: str, action: str, body: Mapping[str, object] | None) -> Any:
        sdk = self._sdk
        try:
            return sdk.call(method, path, dict(body) if body is not None else None, True)  # noqa: FBT003 - the SDK's
        except PlexError:
            raise
        except Exception as error:  # noqa: BLE001 - its own, those of requests, and AttributeError for odd answers
            hidden = (*self.credentials.secrets, *self._context.secrets.values())
            # Not from the original: that holds the request, and with it user data and tokens.
            raise as_plexctls(read_refusal(error, hidden), action, self.credentials) from None

    @cached_property
    def _sdk(self) -> Any:
        return open_sdk(self.credentials, self.clock.now)


def _with(path: str, query: Mapping[str, str | None]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path
