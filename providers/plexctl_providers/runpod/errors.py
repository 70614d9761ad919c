"""RunPod's answers as plexctl's errors, all of them. Pure.

Sources: the table of statuses at `createPod` in the OpenAPI description (runpod/docs at a900806), and texts that users
and clients of RunPod quote (runpodctl#189, runpod-python#168 and #297, dstack#1740).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from plexctl.errors import (
    ConflictError,
    CredentialsError,
    NoCapacityError,
    PlexError,
    PreflightError,
    ProviderError,
)

KEY_HINT = "make an API key in RunPod's console (Settings, API Keys) and `export RUNPOD_API_KEY=...`"
BILLING = "https://console.runpod.io/user/billing"
NO_ANSWER = 0
"""In place of HTTP's code, where there was no answer."""
_NOT_SENT = -1
"""In place of HTTP's code, where nothing was asked."""
_BAD_REQUEST, _UNKNOWN, _UNPAID, _FORBIDDEN, _NOT_FOUND, _CONFLICT = 400, 401, 402, 403, 404, 409
_INVALID, _TOO_MANY, _SERVER = 422, 429, 500
_LONGEST = 300

_OUTAGE = "see https://uptime.runpod.io"
_BY_CODE: dict[int, tuple[type[PlexError], str | None]] = {
    _UNKNOWN: (CredentialsError, KEY_HINT),
    _FORBIDDEN: (CredentialsError, "give the key the right to read and write pods (Settings, API Keys)"),
    _CONFLICT: (ConflictError, None),
    _INVALID: (ProviderError, "plexctl sent what RunPod does not take: please report it"),
    _TOO_MANY: (ProviderError, "RunPod limits calls by the minute: try again in a minute"),
}
_FULL = re.compile(
    r"no (longer any )?(gpu )?instances? (currently )?available|not enough free gpus|out of (capacity|stock)"
    r"|(no|insufficient|not enough) (gpu |free )?(capacity|resources|gpus?)|could not be placed"
    r"|does not have the resources|with enough disk space|requested pool",
    re.IGNORECASE,
)
_LIMITED = re.compile(r"spend(ing)? ?limit|balance|insufficient funds|quota|add funds|machine limit", re.IGNORECASE)


def error_of(action: str, code: int, answer: object, secrets: Iterable[str] = ()) -> PlexError:
    """Return the error for an answer that is one. `action` says what was tried; values of `secrets` are blotted out."""
    found = _meant(f"cannot {action}: RunPod says: {words_of(code, answer, secrets)}", code, answer)
    found.data = {"http": code, "in_words": bool(_own_words(answer))}
    return found


def unanswered(action: str, why: str) -> ProviderError:
    """Return the error for no answer at all: whether it was done is not known."""
    words = f"cannot {action}: no answer from RunPod ({why})"
    return ProviderError(words, hint="see your network, and https://uptime.runpod.io", data={"http": NO_ANSWER})


@contextmanager
def understood(action: str) -> Iterator[None]:
    """Raise plexctl's error, as for a lost answer, where an answer is not what RunPod's description says."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        words = f"cannot {action}: RunPod's answer is not what its description says ({type(error).__name__})"
        raise ProviderError(words, data={"http": NO_ANSWER}) from None


def placing(error: PlexError) -> PlexError:
    """Return what a refusal to create or start a pod means: 400 is also "no capacity", told in words only.

    A broken rule is refused in the same way, with every GPU; its words are kept, so that it can be told.
    """
    if type(error) is not ProviderError or _http(error) != _BAD_REQUEST:
        return error
    hint = "try another GPU, data centre or cloud; when every one is refused in these words, it is the request"
    return NoCapacityError(error.message, hint=hint, data=error.data)


def is_absent(error: PlexError) -> bool:
    """Tell whether RunPod itself says that what was asked for does not exist; a 404 of somebody between is no word."""
    return type(error) is ProviderError and _http(error) == _NOT_FOUND and _is_in_words(error)


def is_lost(error: PlexError) -> bool:
    """Tell whether there was no answer, or a failed server's: what was asked may have been done all the same."""
    code = _http(error)
    return code == NO_ANSWER or code >= _SERVER


def may_have_worked(error: PlexError) -> bool:
    """Tell whether something may have been made all the same.

    Nothing was, where nothing was sent, where RunPod limits calls, and where it refuses in its own words.
    """
    code = _http(error)
    is_refusal = _BAD_REQUEST <= code < _SERVER and (code == _TOO_MANY or _is_in_words(error))
    return code != _NOT_SENT and not is_refusal


def words_of(code: int, answer: object, secrets: Iterable[str] = ()) -> str:
    """Return an answer's own words on one line; never anything else of it, since answers echo environments."""
    said = [_own_words(answer)]
    if code == _INVALID and isinstance(answer, Mapping) and isinstance(answer.get("errors"), list):
        said += [str(one) for one in answer["errors"]]
    text = " ".join("; ".join(one for one in said if one).split()) or f"HTTP {code}"
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    return text[:_LONGEST]


def _meant(message: str, code: int, answer: object) -> PlexError:
    words = words_of(code, answer)
    if code == _UNPAID or (code in (_BAD_REQUEST, _FORBIDDEN) and _LIMITED.search(words)):
        return PreflightError(message, hint=f"add funds, or ask for a higher spend limit: {BILLING}")
    if _FULL.search(words) and code != _INVALID:
        return NoCapacityError(message, hint="try another GPU, data centre or cloud, or again later")
    kind, hint = _BY_CODE.get(code, (ProviderError, _OUTAGE if code >= _SERVER else None))
    return kind(message, hint=hint)


def _own_words(answer: object) -> str:
    """Return what an `application/problem+json` says; empty for any other answer."""
    problem: Mapping[str, Any] = answer if isinstance(answer, Mapping) else {}
    return str(problem.get("detail") or problem.get("title") or "")


def _is_in_words(error: PlexError) -> bool:
    return isinstance(error.data, dict) and bool(error.data.get("in_words"))


def _http(error: PlexError) -> int:
    found = error.data.get("http") if isinstance(error.data, dict) else None
    return found if isinstance(found, int) else _NOT_SENT
