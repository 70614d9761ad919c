"""Google's REST APIs over one signed session, and beside it Google's own client for Cloud Run: the only I/O here."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

from plexctl.contract import Context
from plexctl.errors import ExtraMissingError, PlexError, ProviderError
from plexctl_providers.cloudrun.answers import Json, finished, json_in, no_answers, required, unknown_answer
from plexctl_providers.cloudrun.credentials import (
    Identity,
    emulator_url,
    environment_project,
    identity,
    require_project,
)
from plexctl_providers.cloudrun.errors import error_of, is_absent, is_disabled

if TYPE_CHECKING:
    from plexctl_providers.cloudrun.run_client import Services

_TIMES_S = (10, 60)
"""For a connection, and between bytes of an answer."""
_READS = frozenset({"GET"})
_IDEMPOTENT = frozenset({"GET", "PUT", "PATCH", "DELETE"})
"""A PATCH here names its whole new value, so that twice is once. A POST makes something: whoever sends it looks."""
_TOO_MANY = 429
_SERVERS_FAULT = (_TOO_MANY, 500, 502, 503, 504)
_TRIES = 4
_FIRST_WAIT_S = 0.25
_LOGS = "/v2/entries:list"
_READING_POSTS = (_LOGS, ":testIamPermissions")


class Google:
    """All APIs of Google's that a deployment needs. Nothing is imported, opened or asked before the first call."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = threading.Lock()
        self._session: Any = None
        self._identity: Identity | None = None
        self._services: Services | None = None
        self.changes = 0
        """Calls so far that were to change something."""

    @property
    def context(self) -> Context:
        """What the core lends."""
        return self._context

    def project(self, named: str | None = None) -> str:
        """Return the project to work in: named, the environment's, the credentials'. Raises ConfigurationError."""
        return require_project(named or environment_project(self._context.environment) or self.identity().project)

    def identity(self) -> Identity:
        """Return who we are. Raises CredentialsError."""
        self._open()
        return cast("Identity", self._identity)

    @property
    def services(self) -> Services:
        """Cloud Run's services. Raises CredentialsError, and ExtraMissingError where the client is not installed."""
        credentials = self.identity().credentials
        with self._lock, _extra():
            if self._services is None:
                from plexctl_providers.cloudrun.run_client import Services

                self._services = Services(credentials, emulator_url(self._context.environment), self._note_change)
            return self._services

    def call(
        self, api: str, method: str, path: str, json: object = None, query: Mapping[str, object] | None = None
    ) -> Json:
        """Ask `https://<api>.googleapis.com` once; 429 is waited for, what may be repeated safely is repeated.

        Raises the errors of `errors.error_of`, one of which is that nobody knows whether it was done.
        """
        return self._send(api, method, path, query, {} if json is None else {"json": json})

    def upload(self, path: str, query: Mapping[str, object], content: bytes, kind: str) -> Json:
        """Store an object in a bucket."""
        more = {"data": content, "headers": {"Content-Type": kind}}
        return self._send("storage", "POST", path, query, more)

    def get(self, api: str, path: str, query: Mapping[str, object] | None = None) -> Json | None:
        """Return what is there; None when it is not, nor when the API is off, in which nothing can be."""
        try:
            return self.call(api, "GET", path, query=query)
        except PlexError as error:
            if is_absent(error) or is_disabled(error):
                return None
            raise

    def look(self, api: str, path: str) -> Json | None:
        """Return a thing that has a name, read by that; None when it is not there. Raises ProviderError without one."""
        found = self.get(api, path)
        return None if found is None else required(found, "name", _action("GET", path))

    def items(self, api: str, path: str, key: str, query: Mapping[str, object] | None = None) -> Iterator[Json]:
        """Yield what a list has, page by page; nothing where its parent is not there or the API is off.

        Raises ProviderError for a page that is none: a list cut short would pass for one that ends there.
        """
        action, token, seen = _action("GET", path), "", {""}
        while True:
            page = self.get(api, path, {**(query or {}), **({"pageToken": token} if token else {})}) or {}
            yield from _things(page, key, action)
            token = page.get("nextPageToken", "")
            if token == "":
                return
            if not isinstance(token, str) or token in seen:
                raise unknown_answer(action)
            seen.add(token)

    def finish(self, api: str, version: str, operation: Json, action: str) -> Json:
        """Wait for a long-running operation and return its response. Raises its error, or ProviderError when late."""
        return finished(operation, lambda name: self.call(api, "GET", f"/{version}/{name}"), action)

    def _send(
        self, api: str, method: str, path: str, query: Mapping[str, object] | None, more: Mapping[str, object]
    ) -> Json:
        self._open()
        base = emulator_url(self._context.environment) or f"https://{api}.googleapis.com"
        action = _action(method, path)
        if method not in _READS and not path.endswith(_READING_POSTS):
            self._note_change()
        with no_answers(action):
            answer = self._session.request(method, base + path, params=query, timeout=_TIMES_S, **more)
            text = answer.content
        body = json_in(text)
        if answer.status_code >= 400:  # noqa: PLR2004 - HTTP's own
            raise error_of(action, answer.status_code, body)
        if not isinstance(body, dict):
            hint = "see whether a proxy answers in Google's place, and https://status.cloud.google.com"
            raise ProviderError(f"cannot {action}: the answer is not JSON", hint=hint)
        return body

    def _open(self) -> None:
        """Open the session, once; several threads may come here."""
        with self._lock:
            if self._session is not None:
                return
            emulator = emulator_url(self._context.environment)
            with _extra():
                self._identity = identity(self._context.environment)
                self._session = _session(self._identity.credentials, emulator)

    def _note_change(self) -> None:
        self.changes += 1


@contextmanager
def _extra() -> Iterator[None]:
    """Raise ExtraMissingError where a package of Google's is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        words = f"provider cloudrun needs the package {error.name}, which is not installed"
        raise ExtraMissingError(words, hint="pip install 'plexctl[cloudrun]'") from error


def _session(credentials: Any, emulator: str | None) -> Any:
    """Return a session that signs what it sends, and repeats what may be repeated."""
    from google.auth.transport.requests import AuthorizedSession
    from requests.adapters import HTTPAdapter

    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    session.trust_env = emulator is None  # a proxy of the user's would take the loopback for its own
    for prefix in ("https://", "http://"):
        session.mount(prefix, HTTPAdapter(max_retries=_patience(_IDEMPOTENT)))
    reading_post = f"{emulator or 'https://logging.googleapis.com'}{_LOGS}"
    session.mount(reading_post, HTTPAdapter(max_retries=_patience(_IDEMPOTENT | {"POST"})))
    return session


def _patience(methods: frozenset[str]) -> Any:
    """Return how often and after how long a call is repeated, as Retry-After says where it does."""
    from urllib3.util.retry import Retry

    class Patience(Retry):
        """What was refused with 429 was not done, so that any method may be tried again."""

        def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002
            """Tell whether an answer is worth another try."""
            return status_code == _TOO_MANY or super().is_retry(method, status_code, has_retry_after)

    return Patience(
        total=_TRIES,
        connect=_TRIES // 2,
        backoff_factor=_FIRST_WAIT_S,
        status_forcelist=_SERVERS_FAULT,
        allowed_methods=methods,
        raise_on_status=False,
    )


def _things(page: Json, key: str, action: str) -> list[Json]:
    """Return the things of a page. Raises ProviderError where they are none, or lack what tells them apart."""
    found = page.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise unknown_answer(action)
    return [required(one, _TOLD_APART_BY[key], action) if key in _TOLD_APART_BY else one for one in found]


def _action(method: str, path: str) -> str:
    """Say what a call tries, such as `make projects/p/secrets`."""
    return f"{_VERBS[method]} {path.partition('/v')[2][2:] or path}"


_TOLD_APART_BY = {"secrets": "name", "repositories": "name", "packages": "name", "items": "name", "builds": "id"}
_VERBS = {"GET": "read", "POST": "make", "PUT": "write", "PATCH": "change", "DELETE": "delete"}
