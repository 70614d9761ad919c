"""One HTTP request and its answer over a stream, by h11. Redirects are reported, never followed."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import h11

from plexctl import __version__
from plexctl.errors import UsageError
from plexctl.secret import Secret
from plexctl.wire.endpoint import Endpoint
from plexctl.wire.opening import open_stream
from plexctl.wire.stage_log import StageLog
from plexctl.wire.stages import WireError
from plexctl.wire.stream import Stream
from plexctl.wire.trust import SYSTEM, Trust

MAX_BODY_SIZE = 1024 * 1024
"""Bytes of a body that are read; the rest is left unread and the answer marked as cut."""
USER_AGENT = f"plexctl/{__version__}"
_TLS_ALERT = b"\x15\x03"


@dataclass(frozen=True, slots=True)
class Response:
    """An HTTP answer: header names in lower case, of repeated ones the last."""

    status: int
    headers: dict[str, str]
    body: bytes
    is_cut: bool = False

    def json(self) -> Any:
        """Return the body's JSON value, or None when it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None


async def get(url: str, *, token: Secret | None, trust: Trust = SYSTEM, timeout_s: float = 10.0) -> Response:
    """Return the answer to one GET on a connection of its own. Raises WireError or UsageError."""
    endpoint = Endpoint.parse(url)
    log = StageLog()
    stream = await open_stream(endpoint, trust, timeout_s, log)
    try:
        async with log.measure("http", timeout_s):
            return await exchange(stream, endpoint, token)
    finally:
        await stream.close()


async def exchange(stream: Stream, endpoint: Endpoint, token: Secret | None) -> Response:
    """Send GET on an open stream and return the answer. Raises WireError of stage `http`.

    The connection is of no further use: the request says so.
    """
    connection = h11.Connection(h11.CLIENT)
    headers = [("Host", endpoint.authority), ("User-Agent", USER_AGENT), ("Accept", "*/*"), ("Connection", "close")]
    headers += authorization(token)
    request = h11.Request(method="GET", target=endpoint.target, headers=headers)
    stream.write((connection.send(request) or b"") + (connection.send(h11.EndOfMessage()) or b""))
    first = b""
    answer: h11.Response | None = None
    body = bytearray()
    try:
        while True:
            event = connection.next_event()
            if event is h11.NEED_DATA:
                _, piece = await stream.read()
                first = first or piece[:16]
                connection.receive_data(piece)
            elif isinstance(event, h11.Response):
                answer = event
            elif isinstance(event, h11.Data):
                body += event.data
            if answer is not None and (isinstance(event, h11.EndOfMessage) or len(body) > MAX_BODY_SIZE):
                return _response(answer, body)
    except h11.RemoteProtocolError as error:
        if answer is not None:
            return _response(answer, body, is_cut=True)
        raise _no_answer(endpoint, first, error) from error


def authorization(token: Secret | None) -> list[tuple[str, str]]:
    """Return the header that carries the token, if there is one. Raises UsageError for what no header can carry."""
    if not token:
        return []
    if not all("!" <= sign <= "~" for sign in token.reveal()):
        raise UsageError("the token holds spaces or signs that no token has", hint="check where it came from")
    return [("Authorization", f"Bearer {token.reveal()}")]


def _response(answer: h11.Response, body: bytearray, *, is_cut: bool = False) -> Response:
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers}
    is_cut = is_cut or len(body) > MAX_BODY_SIZE
    return Response(answer.status_code, headers, bytes(body[:MAX_BODY_SIZE]), is_cut)


def _no_answer(endpoint: Endpoint, first: bytes, error: h11.RemoteProtocolError) -> WireError:
    where = f"{endpoint.host} port {endpoint.port}"
    if first.startswith(_TLS_ALERT):
        hint = f"use https://{endpoint.authority}"
        return WireError("http", "not_http", f"{where} speaks TLS, not plain HTTP", hint=hint)
    if not first:
        return WireError("http", "closed", f"{where} hung up without an answer: does it want TLS?")
    return WireError("http", "not_http", f"{where} does not speak HTTP: {error}")
