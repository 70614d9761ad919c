"""Google's errors as plexctl's: answers in Google's JSON, and what a service's condition says. Pure.

Google's own reasons come first, then words of its messages, since quota and capacity are told in words only, then
HTTP's codes. What the rest of the adapter must tell apart is asked of an error by the functions here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from plexctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsError,
    NoCapacityError,
    PlexError,
    PreflightError,
    ProviderError,
)

LOGIN = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS to a key file"
_UNKNOWN, _FORBIDDEN, _NOT_FOUND, _CONFLICT, _TOO_MANY = 401, 403, 404, (409, 412), 429
_SERVERS = range(500, 600)
NO_ANSWER = 0
"""In place of HTTP's code, where there was none."""
_OFF = "SERVICE_DISABLED"


def is_absent(error: PlexError) -> bool:
    """Tell whether what was asked for does not exist, in Google's own words: a bare 404 may be anybody's."""
    is_told = isinstance(error.data, dict) and bool(error.data.get("told"))
    return type(error) is ProviderError and _http(error) == _NOT_FOUND and is_told


def is_forbidden(error: PlexError) -> bool:
    """Tell whether we are known, and not allowed to."""
    return type(error) is CredentialsError and _http(error) == _FORBIDDEN


def is_disabled(error: PlexError) -> bool:
    """Tell whether the API is off in the project, so that nothing exists in it."""
    return isinstance(error.data, dict) and _OFF in error.data.get("reasons", ())


def is_lost(error: PlexError) -> bool:
    """Tell whether there was no answer, or a failed server's: what was asked may have been done all the same."""
    return type(error) is ProviderError and _http(error) in (NO_ANSWER, *_SERVERS)


def is_limited(error: PlexError) -> bool:
    """Tell whether it was refused for now, as too many calls came in a short time."""
    return _http(error) == _TOO_MANY


def is_taken(error: PlexError) -> bool:
    """Tell whether it exists already, or was changed since it was read."""
    return type(error) is ConflictError and _http(error) in _CONFLICT


def _http(error: PlexError) -> object:
    return error.data.get("http") if isinstance(error.data, dict) else None


_CAPACITY = (
    r"no (available )?capacity|insufficient (capacity|resources)|stockout|out of capacity"
    r"|resources? (exhausted|(are|is) (currently |temporarily )?(unavailable|not available))"
)
_QUOTAS = "the project's page of quotas (IAM & Admin, Quotas) takes requests for more"
_GPU_QUOTA = f"GPUs of Cloud Run need quota of their own: {_QUOTAS}"
_BY_WORDS: tuple[tuple[str, type[PlexError], str], ...] = (
    (r"quota.*\bGPU|\bGPU.*quota", PreflightError, _GPU_QUOTA),
    (
        r"quota (exceeded|violated)|exceed\w* (the |your )?quota|max instances must be set to",
        PreflightError,
        f"lower cloudrun.max_instances, cpu or memory_gib; {_QUOTAS}",
    ),
    (
        r"(accelerator|gpu|node ?selector)\b.*\b(not|un)[ -]?(supported|available)\b.*\b(region|location)",
        PreflightError,
        "choose another --region, or another --gpu",
    ),
    (
        _CAPACITY,
        NoCapacityError,
        "try another --region, or again later",
    ),
    (
        r"permitted customer|domain restrict",
        CredentialsError,
        "a policy of your organisation forbids allUsers: set cloudrun.private = true",
    ),
    (r"\bsecret\b.*(not found|does not exist)|secret version", ProviderError, "`plexctl deploy` makes secrets anew"),
    (r"\bimage\b.*(not found|could not be|unable)|image '.*' not", ProviderError, "see that the image is there"),
)
"""Google's words to what they mean, and what helps; the first that fits."""
_BY_REASON: dict[str, tuple[type[PlexError], str]] = {
    "CONSUMER_INVALID": (ConfigurationError, "see the project's id with `gcloud projects list`"),
    "BILLING_DISABLED": (PreflightError, "link the project to a billing account"),
    "RATE_LIMIT_EXCEEDED": (ProviderError, "Google limits calls a minute: try again in a minute"),
    "SECRETS_ACCESS_CHECK_FAILED": (ProviderError, "`plexctl deploy` makes secrets and their access anew"),
    "CONTAINER_MISSING": (ProviderError, "the image is not there: see image.name, or deploy again to have it built"),
    "CONTAINER_IMAGE_UNAUTHORIZED": (ProviderError, "Cloud Run may not pull the image: see who may read its registry"),
    "CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED": (ProviderError, "Cloud Run may not pull the image"),
    "CONTAINER_PERMISSION_DENIED": (CredentialsError, "the service's account lacks a right that the message names"),
}
"""Reasons of errors (google.rpc.ErrorInfo) and of conditions (discovery document of v2)."""
_NO_PROJECT = re.compile(
    r"\bproject:?\s+['\"\[]?[a-z0-9:./-]+['\"\]]?,?\s+((was|is|has been)\s+)?"
    r"(not found|deleted|does not exist|not a valid)",
    re.IGNORECASE,
)
_PERMISSION = re.compile(r"[Pp]ermission '?([a-z]+\.[A-Za-z.]+)'?")


def error_of(action: str, code: int, answer: object) -> PlexError:
    """Return the error for an answer that is one; `action` says what was tried, such as `make projects/p/secrets`."""
    told = answer.get("error") if isinstance(answer, Mapping) else None
    error: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    words = " ".join(str(error.get("message") or f"HTTP {code}").split())
    reasons = sorted(set(_reasons(error)))
    found = _meant(f"cannot {action}: {words}", code, words, reasons)
    found.data = {"http": code, "reasons": reasons, "told": isinstance(error.get("message"), str)}
    if not error and found.hint is None:
        found.hint = "this is no answer in Google's form: see whether a proxy answers in Google's place"
    return found


def _meant(message: str, code: int, words: str, reasons: list[str]) -> PlexError:
    if _OFF in reasons:
        api = next(iter(re.findall(r"[a-z]+\.googleapis\.com", words)), "the API")
        return PreflightError(message, hint=f"`gcloud services enable {api}` enables it")
    known = next((_BY_REASON[reason] for reason in reasons if reason in _BY_REASON), None)
    if known:
        return known[0](message, hint=known[1])
    if code in (_FORBIDDEN, _NOT_FOUND) and _NO_PROJECT.search(words):
        return ConfigurationError(message, hint=_BY_REASON["CONSUMER_INVALID"][1])
    told = None if code in _SERVERS else by_words(message, words)
    return told or _by_code(message, code, words)


def by_words(message: str, words: str) -> PlexError | None:
    """Return the error that Google's words mean; None for words that say nothing of their own."""
    for pattern, kind, hint in _BY_WORDS:
        if re.search(pattern, words, re.IGNORECASE):
            return kind(message, hint=hint)
    return None


def by_condition(message: str, condition: Mapping[str, Any]) -> PlexError | None:
    """Return the error that a failed condition of a service means; None when its container just failed."""
    words = str(condition.get("message", ""))
    known = _BY_REASON.get(str(condition.get("reason")))
    return by_words(message, words) or (known[0](message, hint=known[1]) if known else None)


def _by_code(message: str, code: int, words: str) -> PlexError:
    if code == _UNKNOWN:
        return CredentialsError(message, hint=LOGIN)
    if code == _FORBIDDEN:
        named = _PERMISSION.search(words)
        lacking = named[1].rstrip(".") if named else "what it needs"
        return CredentialsError(message, hint=f"ask the project's owner for a role with {lacking}, or {LOGIN}")
    if code in _CONFLICT:
        return ConflictError(message)
    if code in _SERVERS:
        return ProviderError(message, hint="see https://status.cloud.google.com, and try again")
    if code == _TOO_MANY:
        return ProviderError(message, hint="Google limits calls a minute: try again in a minute")
    return ProviderError(message)


def _reasons(error: Mapping[str, Any]) -> Iterator[str]:
    """Yield the reasons in either form: details of google.rpc, or the older list of errors."""
    for one in [*error.get("details", ()), *error.get("errors", ())]:
        if isinstance(one, Mapping) and isinstance(one.get("reason"), str):
            yield one["reason"]
