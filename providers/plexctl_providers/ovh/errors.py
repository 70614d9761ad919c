"""python-ovh's errors as plexctl's, all of them; and what is known of an error's effect.

Source: python-ovh 1.2.0 (`client.py`, `exceptions.py`). Codes that it does not know (INVALID_SIGNATURE, QUERY_TIME_OUT)
are from reports of its users. What OVHcloud says when stock or quota run out at a create was not seen: its words tell.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from plexctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsError,
    NoCapacityError,
    NotFoundError,
    PlexError,
    PreflightError,
    ProviderError,
)
from plexctl.secret import Secret
from plexctl_providers.ovh.credentials import Credentials

ABSENT, LOST, BUSY, CLOCK = "absent", "lost", "busy", "clock"
"""What an error means for the request: nothing there; nobody knows whether it took effect; not done, ask later;
not done, for the signature was not believed."""
_MOST_SHOWN = 300
_EXPIRED = 460
_SIGNATURES = ("INVALID_SIGNATURE", "QUERY_TIME_OUT")
_SIGNATURE_WORDS = re.compile(r"invalid signature|query out of time|timestamp", re.IGNORECASE)
_QUOTA = re.compile(r"quota|limit (was |is |has been )?(reached|exceeded)|maximum number", re.IGNORECASE)
_STOCK = re.compile(
    r"out of stock|no valid host|not enough (hosts|capacity|stock)|insufficient (stock|capacity)|no capacity"
    r"|(flavou?r|capacity|resource)s? .{0,40}(not|un)[ -]?available",
    re.IGNORECASE,
)
_FORBIDDEN = {
    *("NotGrantedCall", "NotCredential", "InvalidKey", "InvalidCredential"),
    *("Forbidden", "ResourceExpiredError", "OAuth2FailureError"),
}
_FORBIDDING = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, _EXPIRED)
_OF_THE_SETTINGS = ("InvalidConfiguration", "InvalidRegion")
_UNANSWERED = ("HTTPError", "NetworkError", "InvalidResponse")


@dataclass(frozen=True, slots=True)
class Refusal:
    """What python-ovh raised, taken apart: no response and no request of it is kept, as they hold secrets."""

    kind: str
    """The name of its class."""
    status: int | None
    code: str
    words: str
    query: str
    """OVHcloud's own id of the request, which its support asks for."""

    @property
    def is_of_the_signature(self) -> bool:
        """Whether the signature, or the moment in it, was not believed."""
        said = self.status == HTTPStatus.BAD_REQUEST and _SIGNATURE_WORDS.search(self.words)
        return self.code in _SIGNATURES or bool(said)


def is_absent(error: PlexError) -> bool:
    """Tell whether what was asked about is not there."""
    return _effect(error) == ABSENT


def is_lost(error: PlexError) -> bool:
    """Tell whether nobody knows if the request took effect."""
    return _effect(error) == LOST


def is_busy(error: PlexError) -> bool:
    """Tell whether OVHcloud did nothing, and asks to be asked later."""
    return _effect(error) == BUSY


def is_of_the_clock(error: PlexError) -> bool:
    """Tell whether the request's signature was not believed, so that nothing was done."""
    return _effect(error) == CLOCK


def nonsense(action: str, what: str) -> ProviderError:
    """Return the error for an answer that makes no sense: what the request did is not known."""
    words = f"cannot {action}: OVHcloud's answer makes no sense ({what})"
    return ProviderError(words, hint="try again; if it stays so, report it", data={"effect": LOST})


def read_refusal(error: Exception, hidden: Iterable[Secret]) -> Refusal:
    """Take an error of python-ovh's apart."""
    response = getattr(error, "response", None)
    body: object = None
    if response is not None:
        try:
            body = response.json()
        except ValueError:
            body = None
    known = body if isinstance(body, Mapping) else {}
    words = known.get("message") or known.get("details") or (str(error.args[0]) if error.args else "")
    return Refusal(
        type(error).__name__,
        getattr(response, "status_code", None),
        str(known.get("errorCode") or known.get("class") or ""),
        _plain(str(words), hidden),
        _plain(str(getattr(error, "query_id", None) or ""), hidden),
    )


def as_plexctls(refusal: Refusal, action: str, credentials: Credentials) -> PlexError:
    """Return plexctl's error for it, whatever it is. Pure."""
    if refusal.is_of_the_signature:
        return _signature(refusal, action, credentials)
    if refusal.kind in _FORBIDDEN or refusal.status in _FORBIDDING:
        return _forbidden(refusal, action, credentials)
    if refusal.kind in _OF_THE_SETTINGS:
        return ConfigurationError(f"cannot {action}: python-ovh refuses its settings ({refusal.kind})")
    if refusal.kind in _UNANSWERED:
        what = "sent no JSON" if refusal.kind == "InvalidResponse" else "gave no answer"
        return _error(ProviderError, f"cannot {action}: OVHcloud {what}", "check the network, and try again", LOST)
    return _by_status(refusal, _said(refusal, action))


def _by_status(refusal: Refusal, words: str) -> PlexError:
    status = refusal.status or 0
    if status == HTTPStatus.NOT_FOUND:
        return _error(NotFoundError, words, "it is gone, or in another project or region", ABSENT)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return _error(ProviderError, words, "OVHcloud asks to be asked less often: wait a minute", BUSY)
    if not status or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return _error(ProviderError, words, "wait a minute, and try again", LOST)
    return _told_by_words(refusal, words)


def _told_by_words(refusal: Refusal, words: str) -> PlexError:
    """Return the error for a refusal that is clear, and of which the words alone say the reason."""
    if refusal.status == HTTPStatus.PAYMENT_REQUIRED:
        return PreflightError(
            words, hint="the project lacks credit or a means of payment: see OVHcloud's control panel"
        )
    if _QUOTA.search(refusal.words):
        hint = "ask for more in OVHcloud's control panel (Public Cloud, Quota and Regions), or take another region"
        return PreflightError(words, hint=hint)
    if _STOCK.search(refusal.words):
        return NoCapacityError(words, hint="take another GPU or region, or try again later")
    if refusal.status == HTTPStatus.CONFLICT:
        return ConflictError(words, hint="something else is at work on it: wait a moment, and try again")
    return ProviderError(words, hint="plexctl and OVHcloud's API do not agree: report it")


def _forbidden(refusal: Refusal, action: str, credentials: Credentials) -> PlexError:
    words = _said(refusal, action)
    if _QUOTA.search(refusal.words) and refusal.kind in ("Forbidden", "APIError"):
        return _told_by_words(refusal, words)
    if credentials.is_service_account:
        hint = "give the service account's policy the right, or set OVH_CLIENT_ID and OVH_CLIENT_SECRET of one that has"
        return CredentialsError(words, hint=hint)
    if refusal.kind == "InvalidKey":
        return CredentialsError(f"{words}: it does not know the application key", hint=credentials.renewal)
    if refusal.kind == "NotGrantedCall":
        return CredentialsError(f"{words}: the consumer key lacks the right", hint=credentials.renewal)
    if refusal.kind in ("NotCredential", "InvalidCredential", "ResourceExpiredError"):
        why = "the consumer key has expired, was revoked or is not confirmed yet"
        return CredentialsError(f"{words}: {why}", hint=credentials.renewal)
    return CredentialsError(words, hint=credentials.renewal)


def _signature(refusal: Refusal, action: str, credentials: Credentials) -> PlexError:
    hint = "let NTP set this machine's clock (`timedatectl set-ntp true`)"
    if refusal.code != "QUERY_TIME_OUT":
        hint += f"; if it is right, OVH_APPLICATION_SECRET is not: {credentials.renewal}"
    words = f"{_said(refusal, action)}: the clock here is wrong, or the application's secret"
    return _error(CredentialsError, words, hint, CLOCK)


def _said(refusal: Refusal, action: str) -> str:
    answer = f"OVHcloud answered {refusal.status}" if refusal.status else "OVHcloud failed"
    told = ": ".join(part for part in (refusal.code, refusal.words) if part) or refusal.kind
    query = f", query {refusal.query}" if refusal.query else ""
    return f"cannot {action}: {answer} ({told}{query})"


def _error(kind: type[PlexError], words: str, hint: str, effect: str) -> PlexError:
    return kind(words, hint=hint, data={"effect": effect})


def _effect(error: PlexError) -> object:
    return error.data.get("effect") if isinstance(error.data, Mapping) else None


def _plain(text: str, hidden: Iterable[Secret]) -> str:
    """Return a text in one line and without secrets: OVHcloud may echo what was sent."""
    for secret in hidden:
        if secret:
            text = text.replace(secret.reveal(), "***")
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(shown.split())[:_MOST_SHOWN]
