"""python-ovh's client with exactly the credentials that it is given, and OAuth2 tokens for it.

Its own constructor fills what is left out from the process's environment and from an ovh.conf in the current folder, so
that it is never called; and its OAuth2 takes plain http, as an emulator speaks, only by a variable of the process's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from importlib import import_module
from typing import Any

from plexctl.errors import ConfigurationError, CredentialsError, ExtraMissingError, ProviderError
from plexctl_providers.ovh.credentials import Credentials
from plexctl_providers.ovh.errors import LOST

_LIMITS_S = (10.0, 60.0)
"""To connect, and until an answer; python-ovh's own is three minutes."""
_TIME = "time_delta"
_EARLY_S = 60.0
"""How long before its end a token is renewed."""


def open_sdk(credentials: Credentials, now: Callable[[], float]) -> Any:
    """Return python-ovh's client; nothing is sent yet. Raises ExtraMissingError, ConfigurationError.

    `now` is a monotonic clock, by which tokens age.
    """
    library, requests = _load("ovh.client"), _load("requests")
    http = requests.Session()
    # No proxy, and no .netrc, stands between this machine and itself.
    http.trust_env = not credentials.is_emulator
    client = library.Client.__new__(library.Client)
    mine: dict[str, object] = {
        "endpoint": credentials.base,
        "application_key": credentials.application_key,
        "application_secret": credentials.application_secret.reveal(),
        "consumer_key": credentials.consumer_key.reveal(),
        "client_id": credentials.client_id,
        "client_secret": credentials.client_secret.reveal(),
        "oauth2": _Tokens(credentials, http, now) if credentials.is_service_account else None,
        "session": http,
        "timeout": _LIMITS_S,
        _TIME: None,
    }
    for name, value in mine.items():
        setattr(client, f"_{name}", value)
    return client


def forget_time(client: Any) -> None:
    """Let OVHcloud be asked for the time again before the next signature: the clock here may have been set since."""
    setattr(client, f"_{_TIME}", None)


def _load(module: str) -> Any:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        words = f"provider ovh needs the package {error.name}, which is not installed"
        raise ExtraMissingError(words, hint="pip install 'plexctl[ovh]'") from error
    except Exception as error:  # noqa: BLE001 - it reads an ovh.conf in the current folder when it is imported
        words = f"python-ovh cannot be loaded ({type(error).__name__})"
        raise ConfigurationError(words, hint="is there an ovh.conf in this folder that it cannot read?") from None


class _Tokens:
    """What python-ovh takes for an OAuth2 session: requests with a bearer token, fetched anew when it is old."""

    def __init__(self, credentials: Credentials, http: Any, now: Callable[[], float]) -> None:
        self._credentials = credentials
        self._http = http
        self._now = now
        self._token = ""
        self._until = 0.0

    @property
    def session(self) -> _Tokens:
        """Itself."""
        return self

    def request(self, method: str, url: str, *, headers: Mapping[str, str], data: str, timeout: object) -> Any:
        """Send a request; one that a token was too old for is sent once more, as it did nothing."""

        def send() -> Any:
            sent = {**headers, "Authorization": f"Bearer {self._fresh()}"}
            return self._http.request(method, url, headers=sent, data=data, timeout=timeout)

        answer = send()
        if answer.status_code != HTTPStatus.UNAUTHORIZED:
            return answer
        self._until = 0.0
        return send()

    def _fresh(self) -> str:
        if self._token and self._now() < self._until:
            return self._token
        mine = self._credentials
        answer = self._http.post(
            mine.token_url,
            data={"grant_type": "client_credentials", "scope": "all"},
            auth=(mine.client_id, mine.client_secret.reveal()),
            timeout=_LIMITS_S,
        )
        try:
            told = answer.json()
        except ValueError:
            told = None
        token = told.get("access_token") if isinstance(told, Mapping) else None
        if isinstance(token, str) and token and answer.ok:
            lasts_s = told.get("expires_in")
            seconds = float(lasts_s) if isinstance(lasts_s, int | float) else 0.0
            self._token, self._until = token, self._now() + max(seconds - _EARLY_S, 0.0)
            return token
        if answer.status_code in (HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
            words = f"OVHcloud gives the service account no token (HTTP {answer.status_code})"
            hint = f"check OVH_CLIENT_ID and OVH_CLIENT_SECRET, and that they were made at {mine.endpoint}"
            raise CredentialsError(words, hint=hint)
        words = f"OVHcloud gave no token: HTTP {answer.status_code}, and nothing that makes sense"
        raise ProviderError(words, hint="wait a minute, and try again", data={"effect": LOST})
