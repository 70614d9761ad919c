"""What went wrong on the way to the weights, and what an answer of the Hub means. No I/O.

The Hub tells its refusals apart by status, X-Error-Code and, for the gate's, by words alone (the table of
`plexctl.licence.refusals`, of which this is what a start needs; the gateway travels without it).
Words of an unknown error are not repeated: they may hold a signed address.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from enum import StrEnum
from http import HTTPStatus
from typing import Any


class Cause(StrEnum):
    """Whose business a failure is."""

    LICENCE = "licence"
    CREDENTIALS = "credentials"
    DISK = "disk"
    NETWORK = "network"


class FetchError(Exception):
    """Why the weights cannot be had, in words with a way out."""

    def __init__(
        self, words: str, cause: Cause | None, *, is_final: bool = True, retry_after_s: float | None = None
    ) -> None:
        super().__init__(words)
        self.words = words
        self.cause = cause
        self.is_final = is_final
        """False where another try may end otherwise."""
        self.retry_after_s = retry_after_s
        """When the Hub says to come back."""


OF_THE_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.ENOTDIR, errno.EIO})
"""Numbers of an OSError that no network gives; huggingface_hub's own errors are OSErrors too, without a number."""
_GATED = "the model is gated: "
_GATE_WORDS: tuple[tuple[str, Cause, str], ...] = (
    (
        "fine-grained token",
        Cause.CREDENTIALS,
        "the token of HF_TOKEN is fine-grained and may not read gated models: allow it to, or use one of type read",
    ),
    ("rejected", Cause.LICENCE, f"{_GATED}its authors have rejected the request of HF_TOKEN's account"),
    ("awaiting a review", Cause.LICENCE, f"{_GATED}the request of HF_TOKEN's account awaits the authors' review"),
)
_NOT_ACCEPTED = f"{_GATED}accept its licence on huggingface.co with the account of HF_TOKEN"
_BY_CODE = {
    "RepoNotFound": "the model was not found on the hub: check PLEXCTL_MODEL_REPO and HF_TOKEN",
    "RevisionNotFound": "the model has no such revision: check PLEXCTL_MODEL_REVISION",
    "EntryNotFound": "the model lacks a file: check PLEXCTL_MODEL_REPO and PLEXCTL_MODEL_REVISION",
}
_TOO_MANY = "the model hub has had too many requests from here (429): try again later"
_REFUSED = "the model hub refused the token (401): set HF_TOKEN to a valid read token"
_ANONYMOUS = "there is no token, and the model is gated, private or missing: set HF_TOKEN to a read token"
_CUT = "the connection to the model hub was cut"
_NO_NETWORK = "no network to the model hub{why}: check the host's network or HF_ENDPOINT"
_CUT_KINDS = frozenset(
    {"RemoteProtocolError", "ReadError", "IncompleteRead", "ConnectionResetError", "BrokenPipeError"}
)
_SLOW_KINDS = frozenset({"TimeoutError", "TimeoutException"})
_RESET = re.compile(r'"\w+"\s*;\s*r\s*=\s*0\s*;\s*t\s*=\s*(?P<t>\d{1,6})')
"""The `ratelimit` header when nothing remains (draft-ietf-httpapi-ratelimit-headers-09)."""
_LONGEST_WORDS = 160


def error_of(error: BaseException, *, has_token: bool) -> FetchError:
    """Return what an error of huggingface_hub, of its HTTP client or of the standard library's means."""
    for one in _chain(error):
        if isinstance(one, FetchError):
            return one
        response: Any = getattr(one, "response", None)
        if isinstance(getattr(response, "status_code", None), int):
            return refusal(response.status_code, response.headers, has_token=has_token)
    return _of_network(error)


def refusal(status: int, headers: Any, *, has_token: bool) -> FetchError:
    """Return what a status that is no success means, with the headers beside it."""
    code = headers.get("X-Error-Code")
    if (
        status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.REQUEST_TIMEOUT)
        or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    ):
        is_limit = status == HTTPStatus.TOO_MANY_REQUESTS
        words = (
            _TOO_MANY if is_limit else f"the model hub failed (HTTP {status}): status.huggingface.co shows its state"
        )
        return FetchError(words, Cause.NETWORK, is_final=False, retry_after_s=_retry_after_s(headers))
    if status == HTTPStatus.UNAUTHORIZED and (code != "RepoNotFound" or not has_token):
        return FetchError(_REFUSED if has_token else _ANONYMOUS, Cause.CREDENTIALS)
    if code in _BY_CODE:
        return FetchError(_BY_CODE[code], None)
    if status == HTTPStatus.FORBIDDEN:
        return _forbidden(code, " ".join((headers.get("X-Error-Message") or "").split()).lower())
    return FetchError(f"HTTP {status} is no answer of a model hub: check HF_ENDPOINT", Cause.NETWORK)


def _forbidden(code: str | None, said: str) -> FetchError:
    for mark, cause, words in _GATE_WORDS:
        if mark in said:
            return FetchError(words, cause)
    if code == "GatedRepo" or "authorized list" in said:
        return FetchError(_NOT_ACCEPTED, Cause.LICENCE)
    words = "the model hub refused access (403): give the token of HF_TOKEN read access to the model"
    return FetchError(words, Cause.CREDENTIALS)


def _of_network(error: BaseException) -> FetchError:
    names = {kind.__name__ for one in _chain(error) for kind in type(one).__mro__}
    if names & _SLOW_KINDS:
        return FetchError("the model hub did not answer in time", Cause.NETWORK, is_final=False)
    if names & _CUT_KINDS:
        return FetchError(_CUT, Cause.NETWORK, is_final=False)
    if "OSError" in names or "TransportError" in names:
        return FetchError(_NO_NETWORK.format(why=_reason(error)), Cause.NETWORK, is_final=False)
    words = f"what answered is no model hub ({type(error).__name__}): check HF_ENDPOINT"
    return FetchError(words, Cause.NETWORK)


def cut() -> FetchError:
    """Return the error for an answer that ended before its end."""
    return FetchError(_CUT, Cause.NETWORK, is_final=False)


def _reason(error: BaseException) -> str:
    """Return the operating system's words for why a connection failed, if there are any."""
    for one in _chain(error):
        words = one.strerror if isinstance(one, OSError) else None
        if words:
            return f" ({str(words)[:_LONGEST_WORDS]})"
    return ""


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and what led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        reason = getattr(error, "reason", None)  # urllib's URLError keeps its cause there
        error = reason if isinstance(reason, BaseException) else error.__cause__ or error.__context__


def _retry_after_s(headers: Any) -> float | None:
    match = _RESET.search(headers.get("ratelimit") or "")
    text = match["t"] if match else (headers.get("Retry-After") or "").strip()
    return float(text) if text.isascii() and text.isdigit() and len(text) <= len("999999") else None
