"""The only I/O with RunPod's REST v2: requests with time-outs by httpx, and logs as Server-Sent Events.

Reads and deletes are repeated after a lost answer; whatever else changes something is sent once, and it is for the
caller to look what became of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from plexctl.contract import Context
from plexctl.errors import ConfigurationError, PlexError, ProviderError
from plexctl_providers._common.client import httpx_for, is_trustworthy, key_in, open_http, parsed
from plexctl_providers._common.clock import Clock
from plexctl_providers.runpod.bodies import API
from plexctl_providers.runpod.errors import KEY_HINT, NO_ANSWER, error_of, is_lost, unanswered
from plexctl_providers.runpod.pacing import Pace, pace_of

if TYPE_CHECKING:
    import httpx

Json = dict[str, Any]
ADDRESS = "PLEXCTL_RUNPOD_URL"
PROXY = "PLEXCTL_RUNPOD_PROXY"
KEY = "RUNPOD_API_KEY"
_PROXY = "https://{pod_id}-{port}.proxy.runpod.net"
_CONNECT_S, _ANSWER_S, _CREATE_S = 10.0, 30.0, 60.0
_REFUSALS = 5
"""429 in a row for one request, each waited for."""
_AGAIN_S = (0.5, 1.0, 2.0)
"""Before each repeat of a request that may be repeated."""
_TOO_MANY, _NO_SUCCESS = 429, 300


class Client:
    """One account at RunPod. Nothing is imported or opened before the first request."""

    def __init__(self, context: Context, clock: Clock) -> None:
        self._context = context
        self.clock = clock
        self._opened: httpx.Client | None = None

    @property
    def base(self) -> str:
        """Return where REST v2 is. Raises ConfigurationError for http to another machine."""
        return address(self._context.environment)

    @property
    def key(self) -> str:
        """Return the API key. Raises CredentialsError."""
        return key_of(self._context.environment)

    @property
    def pace(self) -> Pace:
        """Return what is known of this account's quota."""
        return pace_of(self.base, self.key)

    def call(
        self, method: str, path: str, action: str, body: object = None, query: Mapping[str, str] | None = None
    ) -> Json:
        """Send one request and return its answer, empty for 204. 429 is waited for.

        Raises what `errors.error_of` says. `action` completes "cannot ...".
        """
        waits = iter(_AGAIN_S if method in ("GET", "DELETE") else ())
        while True:
            try:
                return self._send(method, path, action, body, query)
            except PlexError as error:
                wait_s = next(waits, None)
                if wait_s is None or not is_lost(error):
                    raise
                self.clock.sleep(wait_s)

    def get(self, path: str, action: str, query: Mapping[str, str] | None = None) -> Json:
        """Read."""
        return self.call("GET", path, action, query=query)

    @contextmanager
    def stream(
        self, path: str, action: str, query: Mapping[str, str], last_id: str | None, quiet_s: float
    ) -> Iterator[Iterator[str]]:
        """Give the lines of an event stream; they end when the stream does, or is quiet for `quiet_s`.

        Raises what `errors.error_of` says, and ProviderError in the middle when it is cut.
        """
        http, library = self._http(), httpx_for("runpod")
        headers = {"Accept": "text/event-stream"} | ({"Last-Event-ID": last_id} if last_id else {})
        patience = library.Timeout(_ANSWER_S, connect=_CONNECT_S)
        for _ in range(_REFUSALS):
            self.pace.wait(self.clock)
            try:
                with http.stream("GET", path, params=dict(query), headers=headers, timeout=patience) as answer:
                    self.pace.learn(answer.headers, self.clock)
                    if answer.status_code == _TOO_MANY:
                        self.pace.refused(answer.headers, self.clock)
                        continue
                    if answer.status_code >= _NO_SUCCESS:
                        answer.read()
                        raise self._error(action, answer)
                    # Until here it was the patience for an answer; from here it is that for the next line.
                    answer.request.extensions["timeout"]["read"] = quiet_s
                    yield _lines(answer, library, action)
                    return
            except library.HTTPError as error:
                raise unanswered(action, type(error).__name__) from None
        raise error_of(action, _TOO_MANY, {})

    def _send(self, method: str, path: str, action: str, body: object, query: Mapping[str, str] | None) -> Json:
        http, library = self._http(), httpx_for("runpod")
        patience = library.Timeout(_CREATE_S if method == "POST" else _ANSWER_S, connect=_CONNECT_S)
        said: object = None
        for _ in range(_REFUSALS):
            self.pace.wait(self.clock)
            try:
                answer = http.request(method, path, json=body, params=query, timeout=patience)
            except library.HTTPError as error:
                # Its text and its chain hold the request, and so the body with the secrets.
                raise unanswered(action, type(error).__name__) from None
            self.pace.learn(answer.headers, self.clock)
            if answer.status_code != _TOO_MANY:
                return self._content(action, answer)
            self.pace.refused(answer.headers, self.clock)
            said = parsed(answer)
        raise error_of(action, _TOO_MANY, said)

    def _content(self, action: str, answer: httpx.Response) -> Json:
        if answer.status_code >= _NO_SUCCESS:
            raise self._error(action, answer)
        if not answer.content:
            return {}
        content = parsed(answer)
        if not isinstance(content, dict):
            words = f"cannot {action}: RunPod's answer is not the JSON that was to come"
            raise ProviderError(words, data={"http": NO_ANSWER})
        return cast("Json", content)

    def _error(self, action: str, answer: httpx.Response) -> PlexError:
        secrets = [secret.reveal() for secret in self._context.secrets.values()]
        return error_of(action, answer.status_code, parsed(answer), [*secrets, self.key])

    def _http(self) -> httpx.Client:
        if self._opened is None:
            self._opened = open_http(self.base, self.key, self._context.environment, "runpod")
        return self._opened


def address(environment: Mapping[str, str]) -> str:
    """Return where REST v2 is: RunPod's, or an emulator's. Raises ConfigurationError for http to another machine."""
    base = environment.get(ADDRESS, "").strip().rstrip("/") or API
    if is_trustworthy(base) and not urlsplit(base).path:
        return base
    hint = "give https://HOST, or http:// to this machine, without a path"
    raise ConfigurationError(f"{ADDRESS} is not usable", hint=hint)


def proxy_of(environment: Mapping[str, str]) -> str:
    """Return the addresses behind RunPod's proxy, with {pod_id} and {port} in them. Raises ConfigurationError."""
    template = environment.get(PROXY, "").strip() or _PROXY
    if "{pod_id}" in template and is_trustworthy(template.replace("{pod_id}", "pod").replace("{port}", "1")):
        return template
    raise ConfigurationError(f"{PROXY} is not usable", hint="give https://{pod_id}-{port}.HOST")


def key_of(environment: Mapping[str, str]) -> str:
    """Return the API key. Raises CredentialsError when there is none, or one that no header carries."""
    return key_in(environment, KEY, KEY_HINT)


def _lines(answer: httpx.Response, library: Any, action: str) -> Iterator[str]:
    """Yield whole lines until the stream's own end or a silence. Raises ProviderError for a cut.

    Not by httpx's `iter_lines`, which ends lines as Python does: at U+2028 and others that a log's text may have.
    """
    rest = ""
    try:
        for text in answer.iter_text():
            *whole, rest = (rest + text).split("\n")
            yield from (line.removesuffix("\r") for line in whole)
    except library.ReadTimeout:
        return
    except library.HTTPError as error:
        raise unanswered(action, type(error).__name__) from None
