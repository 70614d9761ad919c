"""From an HTTP request to a WebSocket: aiohttp reads the request, then its connection is fed to a parser of ours.

It negotiates no extension and no subprotocol, whatever a client offers: the voice protocol is compressed already.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from plexctl.gateway.conversation import LINGER_S
from plexctl.gateway.frames import CloseCode, FrameReader, Opcode, encode_close

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_SIZE = 16


class HandshakeError(ValueError):
    """The request is no WebSocket handshake of RFC 6455; the text says what is wrong."""


def is_upgrade(headers: Mapping[str, str]) -> bool:
    """Tell whether a request asks for a WebSocket."""
    options = {option.strip().lower() for option in headers.get("Connection", "").split(",")}
    return headers.get("Upgrade", "").strip().lower() == "websocket" and "upgrade" in options


def accept_for(headers: Mapping[str, str]) -> str:
    """Return the Sec-WebSocket-Accept value for a request. Raises HandshakeError."""
    if headers.get("Sec-WebSocket-Version", "") != "13":
        raise HandshakeError("only WebSocket version 13 is spoken here")
    key = headers.get("Sec-WebSocket-Key", "").strip()
    try:
        size = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        size = 0
    if size != _KEY_SIZE:
        raise HandshakeError("Sec-WebSocket-Key is not 16 bytes in base64")
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()  # noqa: S324 - RFC 6455, 4.2.2


class Upgraded(web.StreamResponse):
    """The answer 101. After `prepare`, bytes are written to `transport` and read by a parser (see `feed_with`)."""

    _length_check = False

    def __init__(self, accept: str, headers: Mapping[str, str]) -> None:
        super().__init__(
            status=101,
            headers={
                "Upgrade": "websocket",
                "Connection": "Upgrade",
                "Sec-WebSocket-Accept": accept,
                **headers,
            },
        )
        self.force_close()


def transport_of(request: web.Request) -> asyncio.Transport | None:
    """Return the caller's connection, None when it is gone."""
    return request.transport


def feed_with(request: web.Request, parser: Any) -> None:
    """Give all further bytes of the connection to `parser` (`feed_data`, `feed_eof`)."""
    request.protocol.set_parser(parser)
    request.protocol.keep_alive(False)  # noqa: FBT003 - aiohttp's own signature


class _Leaving:
    """Throws away what a caller sends that was upgraded only to be told to come back."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport = transport
        self._reader = FrameReader(expects_mask=True, max_message_size=125)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        has_said_goodbye = any(received.opcode is Opcode.CLOSE for received in self._reader.feed(data))
        if has_said_goodbye and not self._transport.is_closing():
            self._transport.close()
        return False, b""

    def feed_eof(self) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def upgrade_and_close(request: web.Request, code: CloseCode, reason: str) -> web.StreamResponse:
    """Answer 101 and a close code at once: what JavaScript can read instead of a status."""
    response = Upgraded(accept_for(request.headers), {})
    await response.prepare(request)
    transport = transport_of(request)
    if transport is None:
        return response
    leaving = _Leaving(transport)
    feed_with(request, leaving)
    transport.write(encode_close(code, reason))
    if transport.can_write_eof():
        transport.write_eof()
    try:
        async with asyncio.timeout(LINGER_S):
            await leaving.over
    except TimeoutError:
        transport.abort()
    return response
