"""Vast's refusals and silences as plexctl's errors, all of them.

Sources: api-reference/openapi.yaml of vast-ai/docs at c624622, vast-ai/vast-cli at 5567983, and dstack's client for the
error that comes with a new contract. Texts of Vast's may hold what was sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus

from plexctl.errors import (
    CredentialsError,
    NoCapacityError,
    NotFoundError,
    PlexError,
    PreflightError,
    ProviderError,
)

KEY_HINT = "make a key at https://cloud.vast.ai/manage-keys/ and set VAST_API_KEY to it"
_CREDIT_HINT = "add credit at https://cloud.vast.ai/billing/"
_SPEND_HINT = "new accounts may only spend so much: destroy what runs, or ask Vast to raise the limit"
_QUOTA_HINT = "the day's searches are used up: they start again at midnight UTC"

_BY_CODE: dict[str, tuple[type[PlexError], str | None]] = {
    "auth_error": (CredentialsError, KEY_HINT),
    "not_authorized": (CredentialsError, "give the key the right in Vast's console"),
    "no_such_ask": (NoCapacityError, "somebody was faster: take the next offer"),
    "resources_unavailable": (NoCapacityError, "its GPU is rented to somebody else: take another offer"),
    "no_such_instance": (NotFoundError, None),
    "invalid_id": (NotFoundError, None),
    "not_found": (NotFoundError, None),
    "invalid_price": (PreflightError, "raise vast.bid_usd_per_hour, or leave it out to rent on demand"),
    "missing_billing": (PreflightError, _CREDIT_HINT),
    "insufficient_credit": (PreflightError, _CREDIT_HINT),
    "spend_rate_limit": (PreflightError, _SPEND_HINT),
    "search_quota_exceeded": (PreflightError, _QUOTA_HINT),
    "deprecated_endpoint": (ProviderError, "a newer plexctl may know the new one"),
}
"""Vast's own error codes; what is not here is told by the status."""
_BY_WORDS: tuple[tuple[str, str], ...] = (
    ("no_such_ask", "no_such_ask"),
    ("invalid user key", "auth_error"),
    ("no_such_instance", "no_such_instance"),
    ("instance not found", "no_such_instance"),
    ("lacks credit", "insufficient_credit"),
    ("spend_rate_limit", "spend_rate_limit"),
)
"""Words in a message that say more than the code beside them: a missing ask may come as `invalid_args`."""
_MOST_SHOWN = 300
_MOST_DIGITS = 19
"""Of an id."""


@dataclass
class Refused(Exception):  # noqa: N818 - what Vast did, not yet an error of ours
    """Vast answered that it will not, or could not."""

    status: int
    code: str = ""
    words: str = ""
    retry_after_s: float | None = None
    new_contract: int | None = None
    """An instance that was made all the same."""

    @property
    def is_too_soon(self) -> bool:
        """Refused for coming too often, and so without any effect."""
        return self.status == HTTPStatus.TOO_MANY_REQUESTS and self.code != "search_quota_exceeded"

    @property
    def is_unclear(self) -> bool:
        """Nobody can tell from it whether it took effect."""
        return self.status >= HTTPStatus.INTERNAL_SERVER_ERROR or self.status == HTTPStatus.REQUEST_TIMEOUT

    @property
    def is_missing(self) -> bool:
        """What was asked about is not there."""
        return self.kind[0] is NotFoundError

    @property
    def kind(self) -> tuple[type[PlexError], str | None]:
        """The class of plexctl's error, and the hint."""
        plain = f"{self.words} {self.code}".lower()
        code = next((code for words, code in _BY_WORDS if words in plain), self.code)
        if code in _BY_CODE:
            return _BY_CODE[code]
        if self.status == HTTPStatus.UNAUTHORIZED:
            return CredentialsError, KEY_HINT
        if self.status == HTTPStatus.FORBIDDEN and self.code != "invalid_args":
            return CredentialsError, "give the key the right in Vast's console"
        return ProviderError, "wait a minute, and try again" if self.is_too_soon or self.is_unclear else None


@dataclass
class NoAnswer(Exception):  # noqa: N818 - the same
    """The request went out, and what it did is not known: nothing came back, or nothing that can be read."""

    words: str = field(default="")


@contextmanager
def vast_errors(action: str) -> Iterator[None]:
    """Raise plexctl's error for whatever Vast did while doing `action`."""
    try:
        yield
    except (Refused, NoAnswer) as error:
        raise as_plexctls(error, action) from error


def as_plexctls(error: Refused | NoAnswer, action: str) -> PlexError:
    """Return plexctl's error for it."""
    if isinstance(error, NoAnswer):
        return ProviderError(
            f"cannot {action}: Vast gave no answer that can be read ({error.words})", hint="check the network"
        )
    kind, hint = error.kind
    said = f"{error.code}: {error.words}" if error.code and error.code not in error.words else error.words
    return kind(f"cannot {action}: Vast answered {error.status} ({said or 'no words'})", hint=hint)


def read_refusal(status: int, body: object, headers: Mapping[str, str], blot: Callable[[str], str] = str) -> Refused:
    """Read an answer that is no success. `body` is its JSON, or its text; `blot` takes secrets out of texts."""
    known = body if isinstance(body, Mapping) else {}
    words = known.get("msg") or known.get("detail") or known.get("error") or (body if isinstance(body, str) else "")
    return Refused(
        status,
        blot(str(known.get("error") or "")),
        # Cut only after that, so that no half of a secret is left.
        " ".join(blot(str(words)).split())[:_MOST_SHOWN],
        _seconds(headers.get("Retry-After")),
        contract_in(known),
    )


def contract_in(answer: Mapping[str, object]) -> int | None:
    """Return the instance that an answer to a create names, whether it was a success or not."""
    return number_in(answer.get("new_contract"))


def number_in(value: object) -> int | None:
    """Return a whole number that is not negative, and may come as text; None for everything else."""
    raw = str(value)
    return int(raw) if raw.isascii() and raw.isdigit() and len(raw) < _MOST_DIGITS else None


def _seconds(raw: str | None) -> float | None:
    try:
        return max(0.0, float(raw)) if raw is not None else None
    except ValueError:
        return None
