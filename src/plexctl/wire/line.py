"""A WebSocket over a stream, by websockets' protocol class: messages out, messages in, and how it ended."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Response as Answer
from websockets.protocol import CONNECTING, OPEN
from websockets.uri import WebSocketURI

from plexctl.secret import Secret
from plexctl.wire.endpoint import Endpoint
from plexctl.wire.exchange import USER_AGENT, Response, authorization
from plexctl.wire.stages import WireError
from plexctl.wire.stream import Stream

MAX_MESSAGE_SIZE = 1024 * 1024
"""Bytes of the largest message taken; a longer one ends the connection with 1009."""
ABNORMAL = 1006
_FIRST_BYTES = 1024 * 1024
_FIRST_FRAMES = 20_000
_MOST_UNSENT = 1024 * 1024
_SILENT = logging.getLogger("plexctl.wire.line")
_SILENT.propagate = False
_SILENT.setLevel(logging.CRITICAL)


class Refused(Exception):  # noqa: N818 - an answer, which its caller names
    """The server answered the upgrade with something else than 101."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"HTTP {response.status}")
        self.response = response


class Line:
    """One WebSocket connection seen from the caller's side. `open` first, `close` last."""

    def __init__(self, stream: Stream, endpoint: Endpoint) -> None:
        uri = WebSocketURI(endpoint.is_secure, endpoint.host, endpoint.port, endpoint.path, endpoint.query)
        self._stream = stream
        self._protocol = ClientProtocol(uri, max_size=MAX_MESSAGE_SIZE, logger=_SILENT)
        self._inbox: deque[tuple[float, bytes | str]] = deque()
        self._fragments: list[bytes] = []
        self._is_text = False
        self._bytes_left = _FIRST_BYTES
        self._frames_left = _FIRST_FRAMES
        self._excess: str | None = None

    @property
    def close_code(self) -> int:
        """The code of the peer's close frame; 1006 when it sent none."""
        received = self._protocol.close_rcvd
        return ABNORMAL if received is None else int(received.code)

    @property
    def close_reason(self) -> str:
        """The words of the peer's close frame."""
        received = self._protocol.close_rcvd
        return "" if received is None else received.reason

    @property
    def violation(self) -> str | None:
        """What the peer did against RFC 6455 or our limits, if it did."""
        if self._excess is not None:
            return self._excess
        error = self._protocol.parser_exc
        return None if error is None or isinstance(error, EOFError) else str(error) or type(error).__name__

    def allow(self, size: int, frames: int) -> None:
        """Let the peer send so many more bytes and frames than the 1 MiB and 20,000 it may send at first."""
        self._bytes_left += size
        self._frames_left += frames

    async def open(self, token: Secret | None) -> None:
        """Send the upgrade and wait for 101. Raises Refused for any other answer, WireError for none."""
        request = self._protocol.connect()
        request.headers["User-Agent"] = USER_AGENT
        for name, value in authorization(token):
            request.headers[name] = value
        self._protocol.send_request(request)
        self._flush()
        while self._protocol.state is CONNECTING and self._protocol.handshake_exc is None:
            await self._pump()
        error = self._protocol.handshake_exc
        if isinstance(error, InvalidStatus):
            raise Refused(_response(error.response))
        if error is not None:
            raise _no_upgrade(error) from error

    async def receive(self) -> tuple[float, bytes | str] | None:
        """Return the next message with the loop time of its arrival; None when the connection has ended."""
        while not self._inbox:
            if self._protocol.state is not OPEN or self.violation is not None:
                return None
            await self._pump()
        return self._inbox.popleft()

    def send(self, data: bytes) -> None:
        """Send one binary message; nothing when the connection has ended."""
        if self._protocol.state is OPEN:
            self._protocol.send_binary(data)
            self._flush()

    async def close(self, timeout_s: float = 1.0) -> None:
        """Say goodbye, wait at most `timeout_s` for the same from the peer, and drop the connection."""
        try:
            if self._protocol.state is OPEN:
                self._protocol.send_close(1000)
                self._flush()
                async with asyncio.timeout(timeout_s):
                    while self._protocol.close_rcvd is None and not self._protocol.eof_sent and not self._excess:
                        await self._pump()
                        self._inbox.clear()
        except TimeoutError:
            pass
        finally:
            await self._stream.close()

    async def _pump(self) -> None:
        arrived, piece = await self._stream.read()
        if piece:
            self._protocol.receive_data(piece)
        else:
            self._protocol.receive_eof()
        events = self._protocol.events_received()
        self._count(len(piece), len(events))
        for event in events:
            if isinstance(event, Frame) and self._excess is None:
                self._take(arrived, event)
        self._flush()

    def _count(self, size: int, frames: int) -> None:
        """End a conversation with a peer that floods us, or makes us answer pings and does not read."""
        self._bytes_left -= size
        self._frames_left -= frames
        if self._bytes_left < 0 or self._frames_left < 0:
            self._excess = "it sends far more than a voice"
        elif self._stream.unsent_bytes > _MOST_UNSENT:
            self._excess = "it does not read what is sent"

    def _take(self, arrived: float, frame: Frame) -> None:
        if frame.opcode not in (Opcode.BINARY, Opcode.TEXT, Opcode.CONT):
            return
        if frame.opcode is not Opcode.CONT:
            self._is_text = frame.opcode is Opcode.TEXT
        self._fragments.append(bytes(frame.data))
        if frame.fin:
            message = b"".join(self._fragments)
            self._fragments.clear()
            self._inbox.append((arrived, message.decode(errors="replace") if self._is_text else message))

    def _flush(self) -> None:
        for piece in self._protocol.data_to_send():
            if piece:
                self._stream.write(piece)
            else:
                self._stream.write_eof()


def _response(answer: Answer) -> Response:
    headers = {name.lower(): value for name, value in answer.headers.raw_items()}
    return Response(answer.status_code, headers, bytes(answer.body or b""))


def _no_upgrade(error: Exception) -> WireError:
    if isinstance(error, EOFError) or isinstance(error.__cause__, EOFError):
        return WireError("upgrade", "closed", "the server hung up instead of answering the upgrade")
    return WireError("upgrade", "not_websocket", f"the answer to the upgrade is no WebSocket's: {error}")
