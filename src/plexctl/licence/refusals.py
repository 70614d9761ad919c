"""What an error of huggingface_hub means: one total function over its tree and that of its HTTP client. No I/O.

The Hub tells its refusals apart by status, X-Error-Code and, for the gate's, by words alone: GatedRepo stands for
"not in the authorized list", "awaiting a review" and "has been rejected" alike; a fine-grained token without gated
access gets a 403 without a code. Source: huggingface_hub 2.4 `utils/_http.py`, and answers seen in its issues and in
users' logs (docs/check-license.md). The HTTP client is httpx or httpx2, by version: its classes go by their names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from plexctl.licence.states import Problem, State

_GATE_WORDS = (
    ("fine-grained token", State.TOKEN_SCOPE, "the token is fine-grained and may not read gated repositories"),
    ("rejected", State.REJECTED, "the authors have rejected the request"),
    ("awaiting a review", State.AWAITING_REVIEW, "the request awaits the authors' review"),
    ("authorized list", State.NOT_ACCEPTED, "its licence has not been accepted"),
)
_BY_CODE = {
    "RepoNotFound": (State.NO_REPOSITORY, "there is no such repository"),
    "RevisionNotFound": (State.NO_REVISION, "there is no such revision"),
    "EntryNotFound": (State.NO_WEIGHTS, "a file is missing"),
}
_BY_STATUS: dict[int, tuple[State, str]] = {
    HTTPStatus.TOO_MANY_REQUESTS: (State.RATE_LIMITED, "the Hub has had too many requests from here"),
    HTTPStatus.PROXY_AUTHENTICATION_REQUIRED: (State.UNREACHABLE, "the proxy wants a login (HTTP 407)"),
}
_UNREACHABLE_KINDS = frozenset({"ConnectError", "ConnectTimeout", "ProxyError", "PoolTimeout"})
_BY_CLASS = (
    (frozenset({"OfflineModeIsEnabled"}), State.OFFLINE, "HF_HUB_OFFLINE is set"),
    (_UNREACHABLE_KINDS, State.UNREACHABLE, "no connection to the Hub"),
    (frozenset({"TimeoutException", "TimeoutError"}), State.SLOW, "the Hub did not answer in time"),
    (frozenset({"TooManyRedirects"}), State.FAILING, "the Hub redirects in circles"),
    (
        frozenset({"NetworkError", "ProtocolError", "ConnectionError"}),
        State.FAILING,
        "the connection was cut in the middle of an answer",
    ),
    (frozenset({"UnsupportedProtocol", "InvalidURL"}), State.FAILING, "the Hub redirects to what is no address"),
    (frozenset({"OSError"}), State.UNREACHABLE, "no connection to the Hub"),
)
"""Names of classes, the special before the general, with what they mean."""
_RESET = re.compile(r'"\w+"\s*;\s*r\s*=\s*0\s*;\s*t\s*=\s*(?P<t>\d{1,6})')
"""The `ratelimit` header when nothing remains (draft-ietf-httpapi-ratelimit-headers-09)."""
_LONGEST_WORDS = 160


def problem_of(error: object, *, has_token: bool) -> Problem:
    """Return what an error means. `has_token` says whether the request carried one."""
    response = next((found for found in map(_response, _chain(error)) if found is not None), None)
    if response is not None:
        return refusal(response.status_code, response.headers, _said(response), has_token=has_token)
    return _network(error)


def refusal(status: int, headers: Any, said: str, *, has_token: bool) -> Problem:
    """Return what a refusal means, given its status, headers and words."""
    code = headers.get("X-Error-Code")
    if status in _BY_STATUS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        state, words = _BY_STATUS.get(status, (State.FAILING, f"the Hub failed with HTTP {status}"))
        return Problem(state, words, _retry_after_s(headers))
    if status == HTTPStatus.UNAUTHORIZED:
        return _unauthorized(code, said, has_token=has_token)
    if code in _BY_CODE:
        state, words = _BY_CODE[code]
        return Problem(state, words)
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(code, said)
    return Problem(State.FAILING, f"HTTP {status} is no answer of a Hub{f': {said}' if said else ''}")


def _forbidden(code: str | None, said: str) -> Problem:
    for mark, state, words in _GATE_WORDS:
        if mark in said.lower():
            return Problem(state, words)
    if code == "GatedRepo":
        return Problem(State.NOT_ACCEPTED, f"it is gated: {said}" if said else "it is gated")
    return Problem(State.REFUSED, f"the Hub refuses (HTTP 403){f': {said}' if said else ''}")


def _unauthorized(code: str | None, said: str, *, has_token: bool) -> Problem:
    if not has_token:
        if code == "GatedRepo":
            return Problem(State.NO_TOKEN, "it is gated, and there is no token")
        return Problem(State.NO_REPOSITORY, "there is no such repository that could be read without a token")
    if code == "RepoNotFound":
        return Problem(State.NO_REPOSITORY, "there is no such repository")
    is_expired = "expired" in said.lower()
    return Problem(State.TOKEN_INVALID, "the token has expired" if is_expired else "the Hub does not accept the token")


def _network(error: object) -> Problem:
    """Name what kept an answer from coming; the text of an unknown error is not repeated: it may hold a secret."""
    names = {kind.__name__ for kind in type(error).__mro__}
    for kinds, state, words in _BY_CLASS:
        if names & kinds:
            return Problem(state, words + (_reason(error) if state is State.UNREACHABLE else ""))
    return Problem(State.FAILING, f"what answered is no Hub: its answer makes no sense ({type(error).__name__})")


def _reason(error: object) -> str:
    """Return the operating system's words for why a connection failed, if there are any."""
    for cause in _chain(error):
        if isinstance(cause, OSError) and not _response(cause):
            words = getattr(cause, "verify_message", None) or cause.strerror
            if words:
                return f": {str(words)[:_LONGEST_WORDS]}"
    return ""


def _chain(error: object) -> Iterator[object]:
    """Yield an error and what led to it."""
    seen: set[int] = set()
    while isinstance(error, BaseException) and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _response(error: object) -> Any:
    response = getattr(error, "response", None)
    return response if isinstance(getattr(response, "status_code", None), int) else None


def _said(response: Any) -> str:
    """Return the Hub's own words: a header, or the body's `error`."""
    message = response.headers.get("X-Error-Message")
    if not message:
        try:
            body = response.json()
        except Exception:  # noqa: BLE001 - unread, cut, not JSON, not text: then there are no words
            return ""
        message = body.get("error") if isinstance(body, dict) else None
    return " ".join(message.split())[:_LONGEST_WORDS] if isinstance(message, str) else ""


def _retry_after_s(headers: Any) -> float | None:
    match = _RESET.search(headers.get("ratelimit") or "")
    text = match["t"] if match else (headers.get("Retry-After") or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= len("999999") else None
