"""A session that signs what it sends, and repeats what may be repeated: imported when the first call is made."""

from __future__ import annotations

from typing import Any

from google.auth.transport.requests import AuthorizedSession
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

_IDEMPOTENT = frozenset({"GET", "PUT", "PATCH", "DELETE"})
"""A PATCH here names its whole new value, so that twice is once. A POST makes something: whoever sends it looks."""
_SERVERS_FAULT = (429, 500, 502, 503, 504)
_TOO_MANY = 429
_TRIES = 4
_FIRST_WAIT_S = 0.25


class Patience(Retry):
    """Waits as Retry-After says. What was refused with 429 was not done, so that any method may be tried again."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:  # noqa: FBT001, FBT002
        """Tell whether an answer is worth another try."""
        return status_code == _TOO_MANY or super().is_retry(method, status_code, has_retry_after)


def authorized(credentials: Any, reading_post: str, *, is_emulated: bool) -> Any:
    """Return the session; `reading_post` is the URL of a POST that only reads, and is repeated like a GET."""
    session = AuthorizedSession(credentials)  # type: ignore[no-untyped-call]
    session.trust_env = not is_emulated  # a proxy of the user's would take the loopback for its own
    for prefix in ("https://", "http://"):
        session.mount(prefix, HTTPAdapter(max_retries=_patience(_IDEMPOTENT)))
    session.mount(reading_post, HTTPAdapter(max_retries=_patience(_IDEMPOTENT | {"POST"})))
    return session


def _patience(methods: frozenset[str]) -> Patience:
    return Patience(
        total=_TRIES,
        connect=_TRIES // 2,
        backoff_factor=_FIRST_WAIT_S,
        status_forcelist=_SERVERS_FAULT,
        allowed_methods=methods,
        raise_on_status=False,
    )
