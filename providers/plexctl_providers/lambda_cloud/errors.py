"""Lambda's answers as plexctl's errors, all of them, by their `code`. Pure.

Sources: the error schemas of Lambda's OpenAPI description 1.10.0; skypilot#8221 for `global/unknown`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from plexctl.errors import ConflictError, CredentialsError, NoCapacityError, PlexError, PreflightError, ProviderError

KEY_HINT = "make an API key at https://cloud.lambda.ai/api-keys and `export LAMBDA_API_KEY=...`"
CAPACITY = "instance-operations/launch/insufficient-capacity"
ABSENT = ("global/object-does-not-exist", "global/not-found")
IN_USE = ("firewall-rulesets/firewall-ruleset-in-use", "filesystems/filesystem-in-use")
NO_ANSWER = "no-answer"
"""In place of a code, where there was no answer, or none that makes sense."""
TOO_MANY = "too-many-requests"
"""In place of a code for 429, whose body is not described."""
_UPSTREAM = "provider/"
"""How codes of faults begin that are not Lambda's own."""
_UNKNOWN, _INTERNAL = "global/unknown", "global/internal-error"
_REFUSED, _SERVER, _MANY = (401, 403), 500, 429
_LONGEST = 300

_OUTAGE = "try again shortly; see https://status.lambda.ai"
_ACCOUNT = "see https://cloud.lambda.ai/settings/billing: e-mail, payment method and billing address"
_BY_CODE: dict[str, tuple[type[PlexError], str | None]] = {
    "global/invalid-api-key": (CredentialsError, KEY_HINT),
    "global/forbidden": (CredentialsError, "the key's account or role may not do that: take another key"),
    "global/account-inactive": (PreflightError, _ACCOUNT),
    "global/invalid-address": (PreflightError, _ACCOUNT),
    "global/quota-exceeded": (PreflightError, "end what you do not need, or ask Lambda's support for a higher quota"),
    "global/invalid-parameters": (ProviderError, "plexctl sent what Lambda does not take: please report it"),
    "global/duplicate": (ConflictError, "there is one of that name: take another"),
    "global/conflict": (ConflictError, "somebody else is changing it: try again"),
    "instance-operations/launch/file-system-in-wrong-region": (
        PreflightError,
        "name the file system's own region with lambda.region, or another file system with lambda.file_system",
    ),
    CAPACITY: (NoCapacityError, "try another GPU or region, or again later"),
    IN_USE[0]: (ConflictError, "it can be deleted when no instance uses it"),
    IN_USE[1]: (ConflictError, "it can be deleted when no instance uses it"),
    ABSENT[0]: (ProviderError, None),
    ABSENT[1]: (ProviderError, None),
    _INTERNAL: (ProviderError, _OUTAGE),
    _UNKNOWN: (
        ProviderError,
        "two ssh keys of one name in the account have this effect: see https://cloud.lambda.ai/ssh-keys",
    ),
    TOO_MANY: (ProviderError, "Lambda takes one request a second: something else uses this account's key as well"),
}


def error_of(action: str, status: int, answer: object, secrets: Iterable[str] = ()) -> PlexError:
    """Return the error for an answer that is one. `action` completes "cannot ..."; `secrets` are blotted out."""
    code, words = code_in(status, answer), _words(status, answer, secrets)
    kind, hint = _meaning(status, code)
    told = f"cannot {action}: Lambda says: {words}"
    return kind(told, hint=hint, data={"code": code, "http": status})


def unanswered(action: str, why: str) -> ProviderError:
    """Return the error for no answer at all: whether it was done is not known."""
    words = f"cannot {action}: no answer from Lambda ({why})"
    return ProviderError(words, hint="see your network, and https://status.lambda.ai", data={"code": NO_ANSWER})


@contextmanager
def understood(action: str) -> Iterator[None]:
    """Raise plexctl's error, as for a lost answer, where an answer is not what Lambda's description says."""
    try:
        yield
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        words = f"cannot {action}: Lambda's answer is not what its description says ({type(error).__name__})"
        raise ProviderError(words, data={"code": NO_ANSWER}) from None


def code_of(error: PlexError) -> str:
    """Return Lambda's code of an error; empty for one that is not of Lambda."""
    found = error.data.get("code") if isinstance(error.data, dict) else None
    return found if isinstance(found, str) else ""


def is_absent(error: PlexError) -> bool:
    """Tell whether what was asked for does not exist."""
    return code_of(error) in ABSENT


def is_lost(error: PlexError) -> bool:
    """Tell whether there was no answer, or a failed server's: what was asked may have been done all the same."""
    code = code_of(error)
    http = error.data.get("http", 0) if isinstance(error.data, dict) else 0
    return code in (NO_ANSWER, _INTERNAL, _UNKNOWN) or code.startswith(_UPSTREAM) or (bool(code) and http >= _SERVER)


def code_in(status: int, answer: object) -> str:
    """Return the code of an answer, or a word for its HTTP status where it has none."""
    if status == _MANY:
        return TOO_MANY
    error = _error_in(answer)
    code = error.get("code")
    if isinstance(code, str) and code:
        return code
    return "global/invalid-api-key" if status in _REFUSED else f"http-{status}"


def _meaning(status: int, code: str) -> tuple[type[PlexError], str | None]:
    found = _BY_CODE.get(code)
    if found is None and status in _REFUSED:
        return CredentialsError, KEY_HINT
    is_outage = code.startswith(_UPSTREAM) or status >= _SERVER
    return found or (ProviderError, _OUTAGE if is_outage else None)


def _words(status: int, answer: object, secrets: Iterable[str]) -> str:
    """Return an answer's own words on one line, with its code; they are for a reader only."""
    error = _error_in(answer)
    said = [str(error[key]) for key in ("message", "suggestion") if isinstance(error.get(key), str)]
    text = " ".join(" ".join(said).split()) or f"HTTP {status}"
    if isinstance(error.get("code"), str):
        text = f"{text} ({error['code']})"
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***") if secret else text
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:_LONGEST]


def _error_in(answer: object) -> Mapping[str, object]:
    error = answer.get("error") if isinstance(answer, Mapping) else None
    return error if isinstance(error, Mapping) else {}
