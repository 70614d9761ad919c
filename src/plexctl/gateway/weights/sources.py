"""The bytes of a file from a position on, over HTTP.

It goes through the standard library: it reads into blocks outside Python's lock, at several times the speed of
huggingface_hub's own client. Proxies and certificates are those of the environment. Of redirects only http and https
are followed, and the token never leaves the Hub.
"""

from __future__ import annotations

import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from plexctl.gateway.weights.errors import Cause, FetchError, cut, error_of, refusal
from plexctl.gateway.weights.hub import File, Hub
from plexctl.gateway.weights.partial import CHUNK

_RANGE = re.compile(r"bytes (\d+)-\d+/(?:\d+|\*)")


class StartsOverError(Exception):
    """The server gives no range: what comes is the file from its beginning, or nothing."""


def over_http(hub: Hub, file: File, first: int, silence_s: float) -> Iterator[bytes]:
    """Yield the file from `first` on. Raises FetchError, or StartsOverError before anything came."""
    try:
        response = _opener().open(_request(hub, file, first), timeout=silence_s)
    except urllib.error.HTTPError as error:
        error.close()
        raise _http_error(hub, file, error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise error_of(error, has_token=bool(hub.token)) from error
    with response:
        _check_start(response, first)
        yield from _blocks(response, file.size - first)


def _request(hub: Hub, file: File, first: int) -> urllib.request.Request:
    headers = {name: value for name, value in hub.headers.items() if name.lower() != "authorization"}
    request = urllib.request.Request(file.location, headers=headers)  # noqa: S310 - the opener has http and https only
    if hub.token and hub.is_hub(file.location):
        request.add_unredirected_header("Authorization", f"Bearer {hub.token}")
    if first:
        request.add_header("Range", f"bytes={first}-")
    return request


def _opener() -> urllib.request.OpenerDirector:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _http_error(hub: Hub, file: File, error: urllib.error.HTTPError) -> Exception:
    if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
        return StartsOverError()
    meaning = refusal(error.code, error.headers, has_token=bool(hub.token))
    if meaning.is_final and not hub.is_hub(file.location):
        # A signed address of the storage may have run out: the next try has a new one.
        words = f"the storage of the model hub refused (HTTP {error.code})"
        return FetchError(words, Cause.NETWORK, is_final=False)
    return meaning


def _check_start(response: Any, first: int) -> None:
    if not first:
        return
    if response.status != HTTPStatus.PARTIAL_CONTENT:
        raise StartsOverError
    match = _RANGE.fullmatch(response.headers.get("Content-Range") or "")
    if match is None or int(match[1]) != first:
        raise StartsOverError


def _blocks(response: Any, left: int) -> Iterator[bytes]:
    while left > 0:
        try:
            block = response.read1(min(CHUNK, left))  # what has come, so that a cut loses nothing
        except (OSError, http.client.HTTPException) as error:
            raise error_of(error, has_token=False) from error
        if not block:
            raise cut()
        left -= len(block)
        yield block
