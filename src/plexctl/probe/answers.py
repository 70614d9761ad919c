"""What a server's answers mean: HTTP statuses, the gateway's JSON, close codes. No I/O.

Sources: the gateway's contract (docs/architecture.md) and NVIDIA/personaplex server.py at 3428dfd, which knows no
/health (404), no busy signal, and answers GET /api/chat without an upgrade with 400 "No WebSocket UPGRADE hdr".
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from plexctl.wire.exchange import Response

_LOADING = frozenset({"starting", "downloading", "loading", "warming"})
_NO_SERVER = frozenset({HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT})
_NO_ENTRY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_LONGEST_QUOTE = 200
_TRY_LATER = 1013


@dataclass(frozen=True, slots=True)
class Meaning:
    """An outcome code and words."""

    outcome: str
    detail: str = ""


def health_means(response: Response) -> Meaning:
    """Return what the answer to GET /health means for the stage `http`."""
    document = _document(response)
    state = _word(document, "state")
    known = _common(response) or _state_means(document) or _fault_means(response)
    if known is not None:
        return known
    if state == "ready" and _is_full(document):
        return Meaning("busy", "every place is taken")
    return Meaning("ok", f"gateway {state}" if state == "ready" else f"HTTP {response.status}, no gateway")


def no_upgrade_means(response: Response) -> Meaning:
    """Return what GET of the chat path without an upgrade means, asked where there is no /health.

    Both voice servers answer 400 "No WebSocket UPGRADE hdr" (aiohttp), and it touches no conversation.
    """
    known = _common(response) or _fault_means(response)
    if known is not None:
        return known
    if response.status == HTTPStatus.NOT_FOUND:
        return Meaning("not_found", "a web server, but no voice server at this path")
    if response.status == HTTPStatus.UPGRADE_REQUIRED or b"upgrade" in response.body.lower():
        return Meaning("ok", "a voice server without a gateway")
    return Meaning("ok", f"HTTP {response.status}, no gateway")


def upgrade_means(response: Response) -> Meaning:
    """Return what an answer other than 101 to the upgrade means for the stage `upgrade`."""
    status = response.status
    known = _common(response) or _error_means(response) or _fault_means(response)
    if known is not None:
        return known
    if status == HTTPStatus.NOT_FOUND:
        return Meaning("not_found", "HTTP 404: no voice server at this path")
    if status < HTTPStatus.MULTIPLE_CHOICES:
        return Meaning("not_websocket", f"HTTP {status} instead of 101: no WebSocket here, or a proxy without them")
    return Meaning("rejected", f"HTTP {status}: {_words(response)}")


def close_means(code: int, reason: str) -> Meaning:
    """Return what an end before the handshake means: `closed_CODE`, or `loading` when the peer says so."""
    words = quoted(reason.encode(errors="replace"))
    if code == _TRY_LATER and reason.startswith("loading"):
        return Meaning("loading", words)
    if code == 1006:  # noqa: PLR2004 - RFC 6455, section 7.1.5
        return Meaning("closed_1006", "it hung up without a word: a voice or prompt it cannot take, or it crashed")
    return Meaning(f"closed_{code}", f"closed with {code}{': ' if words else ''}{words}")


def quoted(said: bytes) -> str:
    """Return a peer's words as one short line without control characters."""
    text = said[: _LONGEST_QUOTE * 4].decode("utf-8", errors="replace")
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line if len(line) <= _LONGEST_QUOTE else line[: _LONGEST_QUOTE - 1] + "…"


def _common(response: Response) -> Meaning | None:
    """Return what means the same for every request."""
    status = response.status
    if status in _NO_ENTRY:
        return Meaning("unauthorized", f"HTTP {status}: a token is missing or wrong")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        target = quoted(response.headers.get("location", "").encode(errors="replace"))
        return Meaning("redirect", f"HTTP {status} to {target or 'nowhere'}: probe that URL")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return Meaning("busy", "HTTP 429: too many requests")
    return None


def _state_means(document: dict[str, Any]) -> Meaning | None:
    state = _word(document, "state")
    if state in _LOADING:
        return Meaning("loading", _progress(document))
    if state == "failed":
        return Meaning("failed", f"the engine has given up: {_reason(document)}")
    if state == "draining":
        return Meaning("draining", "the server is shutting down and takes no more callers")
    return None


def _error_means(response: Response) -> Meaning | None:
    """Return what the gateway's JSON error says."""
    document = _document(response)
    error = _error_code(document)
    if error in ("busy", "draining", "failed"):
        return Meaning(error, _words(response))
    if error in _LOADING or _word(document, "state") in _LOADING:
        return Meaning("loading", _words(response))
    return None


def _fault_means(response: Response) -> Meaning | None:
    status = response.status
    if status in _NO_SERVER:
        return Meaning("bad_gateway", f"HTTP {status} by a proxy: no server behind it (yet)")
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Meaning("server_error", f"HTTP {status}: {_words(response)}")
    return None


def _words(response: Response) -> str:
    return _said(_document(response)) or quoted(response.body) or "no words"


def _document(response: Response) -> dict[str, Any]:
    value = response.json()
    return value if isinstance(value, dict) else {}


def _word(document: dict[str, Any], key: str) -> str:
    value = document.get(key)
    return value if isinstance(value, str) else ""


def _error_code(document: dict[str, Any]) -> str:
    error = document.get("error")
    if isinstance(error, dict):
        error = error.get("code")
    return error if isinstance(error, str) else ""


def _said(document: dict[str, Any]) -> str:
    error = document.get("error")
    nested = error.get("message") if isinstance(error, dict) else None
    words = [part for part in (*map(document.get, ("message", "reason", "detail")), nested) if isinstance(part, str)]
    return quoted(": ".join([_error_code(document), *words]).strip(": ").encode(errors="replace"))


def _progress(document: dict[str, Any]) -> str:
    progress = document.get("progress")
    share = f", {progress:.0%}" if isinstance(progress, int | float) and 0 <= progress <= 1 else ""
    words = _word(document, "phase") or _word(document, "state")
    return quoted(f"not ready yet: {words}{share}".encode(errors="replace"))


def _reason(document: dict[str, Any]) -> str:
    return quoted(_word(document, "reason").encode(errors="replace")) or "no reason given"


def _is_full(document: dict[str, Any]) -> bool:
    busy, places = document.get("busy"), document.get("capacity", document.get("engines"))
    if isinstance(busy, bool):
        return busy
    return isinstance(busy, int) and isinstance(places, int) and 0 < places <= busy
