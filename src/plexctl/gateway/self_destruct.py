"""The container's own end: its provider is told when the gateway's time is over, with the key the container was given.

It is for the clock alone (PLEXCTL_EXPIRES_AT and the idle limit): a signal, a crash and an engine that failed never
come here. It asks until the provider says that the container is gone, or until the process is killed: a container whose
process merely ends is started again, or bills on. The key goes into one header to one host.

- RunPod: `DELETE /v2/pods/{id}` answers 204 (REST v2's description, operation deletePod). RUNPOD_POD_ID and
  RUNPOD_API_KEY are in every pod. That v2 takes a pod's own key is documented nowhere: a refusal is said in the log.
- Vast.ai: `DELETE /api/v0/instances/{id}/` answers 200 with `success` (operation destroyInstance). CONTAINER_ID and
  CONTAINER_API_KEY are in every instance; the key starts, stops and destroys that instance and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus

import aiohttp

from plexctl.gateway.environment import Reader, SettingsError

KEYS = ("RUNPOD_API_KEY", "CONTAINER_API_KEY")
"""Variables that end a container: no log shows their values, and no engine inherits them."""
FIRST_PAUSE_S = 3.0
"""Vast.ai takes a destroy every 3 s (its description's x-rate-limit)."""
LONGEST_PAUSE_S = 300.0
_ANSWER_LIMIT_S = 30.0
_MOST_BYTES = 4096
_MOST_WORDS = 200
_SURE = 3
"""So many times in a row `not found` without a yes before it means gone: a key that may not see its container is
told the same, and we are still running."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class _Provider:
    title: str
    id_variable: str
    key_variable: str
    url_variable: str
    api: str
    path: str


_PROVIDERS = {
    "runpod": _Provider(
        "RunPod", "RUNPOD_POD_ID", "RUNPOD_API_KEY", "PLEXCTL_RUNPOD_URL", "https://api.runpod.io", "/v2/pods/{id}"
    ),
    "vast": _Provider(
        "Vast.ai", "CONTAINER_ID", "CONTAINER_API_KEY", "VAST_URL", "https://console.vast.ai", "/api/v0/instances/{id}/"
    ),
}


@dataclass(frozen=True, slots=True)
class Order:
    """How this container ends itself."""

    provider: str
    url: str
    key: str = field(repr=False)
    missing: tuple[str, ...] = ()
    """Variables that the provider did not give to this container: without them nothing is sent."""

    def in_words(self) -> str:
        """Say what will happen at the end of the gateway's time."""
        if self.missing:
            names = " and ".join(self.missing)
            return f"warning: {names} not set: at its end this container cannot end itself at {self.provider}"
        return f"at its end this container ends itself at {self.provider}"


def read_order(read: Reader) -> Order | None:
    """Return what PLEXCTL_SELF_DESTRUCT and the provider's own variables say, None when it is unset."""
    name = read.choice("PLEXCTL_SELF_DESTRUCT", tuple(_PROVIDERS))
    if not name:
        return None
    provider = _PROVIDERS[name]
    identity, key = read.text(provider.id_variable), read.text(provider.key_variable)
    if identity and not _ID.fullmatch(identity):
        raise SettingsError(f"{provider.id_variable}={identity!r} is no id: leave it to {provider.title} to set it")
    if not key.isascii() or not key.isprintable() or " " in key:
        raise SettingsError(f"{provider.key_variable} is no key: leave it to {provider.title} to set it")
    given = {provider.id_variable: identity, provider.key_variable: key}
    url = read.api(provider.url_variable, provider.api) + provider.path.format(id=identity)
    return Order(provider.title, url, key, tuple(variable for variable, value in given.items() if not value))


class _Verdict(Enum):
    TAKEN = auto()
    MISSING = auto()
    REFUSED = auto()
    FAILED = auto()


@dataclass(frozen=True, slots=True)
class _Answer:
    verdict: _Verdict
    words: str
    retry_after_s: float = 0.0


async def until_gone(order: Order, say: Callable[[str], None], *, first_pause_s: float = FIRST_PAUSE_S) -> None:
    """Ask the provider to end this container, again and again, until it says that there is none."""
    if order.missing:
        say(order.in_words())
        return
    say(f"asks {order.provider} to end this container: DELETE {order.url}")
    was_taken, missed, pause_s = False, 0, first_pause_s
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_LIMIT_S)) as session:
        while True:
            answer = await _ask(session, order)
            missed = missed + 1 if answer.verdict is _Verdict.MISSING else 0
            # A key that was good dies with its container.
            is_gone = was_taken and answer.verdict in (_Verdict.MISSING, _Verdict.REFUSED)
            if is_gone or missed >= _SURE:
                say(f"{order.provider} has ended this container: {answer.words}")
                return
            was_taken = was_taken or answer.verdict is _Verdict.TAKEN
            wait_s = min(max(pause_s, answer.retry_after_s), LONGEST_PAUSE_S)
            say(f"{order.provider} {answer.words}; asks again in {wait_s:.0f} s")
            await asyncio.sleep(wait_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


async def _ask(session: aiohttp.ClientSession, order: Order) -> _Answer:
    headers = {"Authorization": f"Bearer {order.key}"}
    try:
        async with session.delete(order.url, headers=headers, allow_redirects=False) as answer:
            body = await answer.content.read(_MOST_BYTES)
            return judge(answer.status, body, answer.headers.get("Retry-After", ""))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return _Answer(_Verdict.FAILED, f"cannot be asked: {str(error) or type(error).__name__}")


def judge(status: int, body: bytes, retry_after: str) -> _Answer:
    """Return what an answer to the DELETE means."""
    said = _said(body)
    words = f"({status}{', ' if said else ''}{said})"
    wait_s = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    if status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE) or "no_such_instance" in said:
        return _Answer(_Verdict.MISSING, f"knows no such container {words}")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        fix = "end it yourself, or with `plexctl gc --expired --delete`"
        return _Answer(_Verdict.REFUSED, f"does not let this container end itself {words}, which bills on: {fix}")
    if status // 100 == 2 and not _is_no(body):  # noqa: PLR2004 - 2xx
        return _Answer(_Verdict.TAKEN, f"ends this container {words}")
    return _Answer(_Verdict.FAILED, f"did not end this container {words}", wait_s)


def _document(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _is_no(body: bytes) -> bool:
    """Tell whether an answer with a good status says `"success": false`, as Vast.ai's do."""
    return _document(body).get("success") is False


def _said(body: bytes) -> str:
    """Return the provider's own words: of RunPod's problem `detail`, of Vast.ai's answer `error` and `msg`."""
    document = _document(body)
    found = [str(document[name]) for name in ("error", "msg", "detail") if document.get(name)]
    words = ": ".join(found) if document else body.decode(errors="replace")
    return " ".join(words.split())[:_MOST_WORDS]
