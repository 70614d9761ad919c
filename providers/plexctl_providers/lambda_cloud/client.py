"""The only I/O with Lambda's API: requests with time-outs by httpx, no faster than Lambda allows.

Reads and deletes are repeated after a lost answer; whatever else changes something is sent once, and it is for the
caller to look what became of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from plexctl.contract import Context
from plexctl.errors import ConfigurationError, PlexError, ProviderError
from plexctl_providers._common.client import httpx_for, is_trustworthy, key_in, open_http, parsed
from plexctl_providers._common.clock import Clock
from plexctl_providers.lambda_cloud.errors import KEY_HINT, NO_ANSWER, error_of, is_lost, unanswered
from plexctl_providers.lambda_cloud.pacing import Pace, pace_of

if TYPE_CHECKING:
    import httpx

API = "https://cloud.lambda.ai"
PATH = "/api/v1"
"""Put after an address that has no path, as Lambda's own description and other clients take it."""
ADDRESS = "LAMBDA_CLOUD_BASE_URL"
KEY = "LAMBDA_API_KEY"
LAUNCH = "/instance-operations/launch"
_CONNECT_S, _ANSWER_S, _LAUNCH_S = 10.0, 30.0, 90.0
_REFUSALS = 6
"""429 in a row for one request, each waited for."""
_AGAIN_S = (0.5, 1.0, 2.0)
"""Before each repeat of a request that may be repeated."""
_TOO_MANY, _REDIRECT = 429, 300


class Client:
    """One account at Lambda. Nothing is imported or opened before the first request."""

    def __init__(self, context: Context, clock: Clock) -> None:
        self._context = context
        self.clock = clock
        self._opened: httpx.Client | None = None

    @property
    def base(self) -> str:
        """Return where the API is. Raises ConfigurationError for http to another machine."""
        base = self._context.environment.get(ADDRESS, "").rstrip("/") or API
        if is_trustworthy(base):
            return base if urlsplit(base).path else f"{base}{PATH}"
        words = f"{ADDRESS}={base!r} is not usable"
        raise ConfigurationError(words, hint="give https://HOST, or http:// to this machine")

    @property
    def key(self) -> str:
        """Return the API key. Raises CredentialsError."""
        return key_in(self._context.environment, KEY, KEY_HINT)

    @property
    def pace(self) -> Pace:
        """Return when this account may be asked again."""
        return pace_of(self.base, self.key)

    def get(self, path: str, action: str) -> object:
        """Read. Raises as `call` does."""
        return self.call("GET", path, action)

    def call(self, method: str, path: str, action: str, body: Mapping[str, object] | None = None) -> object:
        """Send one request and return the `data` of its answer. 429 is waited for.

        Raises what `errors.error_of` says. `action` completes "cannot ...".
        """
        waits = iter(_AGAIN_S if method in ("GET", "DELETE") else ())
        while True:
            try:
                return self._send(method, path, action, body)
            except PlexError as error:
                wait_s = next(waits, None)
                if wait_s is None or not is_lost(error):
                    raise
                self.clock.sleep(wait_s)

    def _send(self, method: str, path: str, action: str, body: Mapping[str, object] | None) -> object:
        http, library, pace = self._http(), httpx_for("lambda"), self.pace
        is_launch = path == LAUNCH
        patience = library.Timeout(_LAUNCH_S if is_launch else _ANSWER_S, connect=_CONNECT_S)
        said: object = None
        for _ in range(_REFUSALS):
            pace.turn(self.clock, is_launch=is_launch)
            try:
                answer = http.request(method, path, json=body, timeout=patience)
            except library.HTTPError as error:
                # Its text and its chain hold the request, and so the user data.
                raise unanswered(action, type(error).__name__) from None
            if answer.status_code != _TOO_MANY:
                pace.answered()
                return self._data(action, answer)
            pace.refused(answer.headers, self.clock)
            said = parsed(answer)
        raise error_of(action, _TOO_MANY, said)

    def _data(self, action: str, answer: httpx.Response) -> object:
        content = parsed(answer)
        if answer.status_code >= _REDIRECT:
            secrets = [secret.reveal() for secret in self._context.secrets.values()]
            raise error_of(action, answer.status_code, content, [*secrets, self.key])
        if not isinstance(content, dict) or "data" not in content:
            words = f"cannot {action}: Lambda's answer is not the JSON that was to come"
            raise ProviderError(words, hint=f"see {ADDRESS}, where it is set", data={"code": NO_ANSWER})
        return content["data"]

    def _http(self) -> httpx.Client:
        if self._opened is None:
            self._opened = open_http(self.base, self.key, self._context.environment, "lambda")
        return self._opened
