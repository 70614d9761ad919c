"""WebSocket messages without I/O, over the `websockets` library's own protocol: bytes in, whole messages out.

aiohttp reads the request and hands over the connection; its own WebSocket is not used, because aiohttp 3.14 takes
unmasked frames from clients and any close code, and buffers a frame before it looks at the limit of a message.
`websockets` refuses an over-long message from its header alone. No extension is negotiated.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from websockets.frames import Frame
from websockets.frames import Opcode as Opcode  # noqa: PLC0414 - part of what this module offers
from websockets.protocol import CLIENT, SERVER, Protocol

_MAX_CONTROL = 125
_MAX_REASON = _MAX_CONTROL - 2
"""Bytes of a close frame's reason, behind its code."""


class CloseCode(IntEnum):
    """The close codes that the gateway sends."""

    NORMAL = 1000
    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    INVALID_TEXT = 1007
    POLICY = 1008
    TOO_BIG = 1009
    ENGINE = 1011
    TRY_LATER = 1013


@dataclass(frozen=True, slots=True)
class Violation:
    """Why a connection has to be closed, with the close code that RFC 6455 gives for it."""

    code: CloseCode
    reason: str


class Received(NamedTuple):
    """One whole message or control frame. A tuple, because one is made for every 20 ms of every conversation."""

    opcode: Opcode
    payload: bytes


class FrameReader:
    """Feed it bytes in any split. After a violation it gives nothing more and throws away what it is fed."""

    def __init__(self, *, expects_mask: bool, max_message_size: int) -> None:
        self.violation: Violation | None = None
        """Set by the first frame that breaks the rules; what came before it has been returned."""
        self._protocol = Protocol(SERVER if expects_mask else CLIENT, max_size=max(max_message_size, _MAX_CONTROL))
        self._opcode: Opcode | None = None
        self._parts: list[bytes] = []

    def feed(self, data: bytes) -> list[Received]:
        """Return the messages and control frames that `data` completes."""
        if self.violation is not None:
            return []
        protocol = self._protocol
        protocol.receive_data(data)
        received: list[Received] = []
        for event in protocol.events_received():
            if isinstance(event, Frame):
                self._take(event, received)
        # What the library would answer (pong, close) the conversation answers itself, in its own order.
        protocol.data_to_send()
        if protocol.parser_exc is not None and self.violation is None:
            sent = protocol.close_sent
            code, reason = (sent.code, sent.reason) if sent else (CloseCode.PROTOCOL_ERROR, "")
            self.violation = Violation(CloseCode(code), reason)
        return received

    def _take(self, frame: Frame, received: list[Received]) -> None:
        payload = bytes(frame.data)
        if frame.opcode in _CONTROL or (frame.fin and not self._parts):
            self._give(frame.opcode, payload, received)
            return
        self._opcode = self._opcode or frame.opcode
        self._parts.append(payload)
        if frame.fin:
            whole, opcode = b"".join(self._parts), self._opcode
            self._parts, self._opcode = [], None
            self._give(opcode, whole, received)

    def _give(self, opcode: Opcode, payload: bytes, received: list[Received]) -> None:
        if self.violation is not None:
            return
        if opcode is Opcode.TEXT and not _is_text(payload):
            self.violation = Violation(CloseCode.INVALID_TEXT, "text that is not UTF-8")
            return
        received.append(Received(opcode, payload))


_CONTROL = frozenset({Opcode.CLOSE, Opcode.PING, Opcode.PONG})


def _is_text(payload: bytes) -> bool:
    try:
        payload.decode()
    except UnicodeDecodeError:
        return False
    return True


def encode_frame(opcode: Opcode, payload: bytes = b"", *, is_masked: bool = False) -> bytes:
    """Return one final frame. A client's frames are masked with a fresh random key, a server's are not."""
    return Frame(opcode, payload).serialize(mask=is_masked)


def encode_close(code: int, reason: str = "", *, is_masked: bool = False) -> bytes:
    """Return a close frame; the reason is cut to what a control frame holds."""
    text = reason.encode()[:_MAX_REASON].decode(errors="ignore").encode()
    return encode_frame(Opcode.CLOSE, code.to_bytes(2, "big") + text, is_masked=is_masked)


def close_code_of(payload: bytes) -> int:
    """Return the code in a close frame's payload; 1005 when it has none."""
    return int.from_bytes(payload[:2], "big") if len(payload) > 1 else 1005
