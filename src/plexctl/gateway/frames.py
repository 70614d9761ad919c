"""WebSocket frames (RFC 6455) without I/O: bytes in, messages out, and what breaks the rules found at the header.

Written here instead of taken from aiohttp, whose reader (3.14, read in its source) takes unmasked frames from
clients, close codes from 5000 upwards and lengths in any form, and hands messages over through a queue and a waiting
task; here a message is a call. An over-long message is refused from its header alone, and at most one is held.
It refuses every extension: reserved bits are violations.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple


class Opcode(IntEnum):
    """What a frame is."""

    CONTINUATION = 0
    TEXT = 1
    BINARY = 2
    CLOSE = 8
    PING = 9
    PONG = 10


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


class _Header(NamedTuple):
    is_final: bool
    opcode: Opcode
    mask: bytes
    size: int
    length: int


_LENGTH_16 = 126
_LENGTH_64 = 127
_MAX_16 = 0xFFFF
_MAX_CONTROL = 125
_APPLICATION_CODES = range(3000, 5000)
_WIRE_CODES = frozenset({1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014})


class _Broken(Exception):  # noqa: N818 - a signal inside this module, never an error for others
    def __init__(self, code: CloseCode, reason: str) -> None:
        super().__init__(reason)
        self.violation = Violation(code, reason)


class FrameReader:
    """Feed it bytes in any split. After a violation it gives nothing more and throws away what it is fed."""

    def __init__(self, *, expects_mask: bool, max_message_size: int) -> None:
        self.violation: Violation | None = None
        """Set by the first frame that breaks the rules; what came before it has been returned."""
        self._expects_mask = expects_mask
        self._max_message_size = max_message_size
        self._buffer = bytearray()
        self._opcode: Opcode | None = None
        self._message = bytearray()

    def feed(self, data: bytes) -> list[Received]:
        """Return the messages and control frames that `data` completes."""
        received: list[Received] = []
        if self.violation is not None:
            return received
        self._buffer += data
        position = 0
        try:
            while (header := self._header(position)) is not None:
                end = position + header.size + header.length
                if len(self._buffer) < end:
                    break
                payload = bytes(self._buffer[position + header.size : end])
                position = end
                self._take(header, apply_mask(header.mask, payload) if header.mask else payload, received)
        except _Broken as broken:
            self.violation = broken.violation
            position = len(self._buffer)
            self._message.clear()
        del self._buffer[:position]
        return received

    def _header(self, at: int) -> _Header | None:
        buffer = self._buffer
        if len(buffer) - at < 2:  # noqa: PLR2004 - the two bytes that every frame has
            return None
        first, second = buffer[at], buffer[at + 1]
        opcode = _opcode_of(first)
        is_masked = bool(second & 0x80)
        if is_masked is not self._expects_mask:
            raise _Broken(CloseCode.PROTOCOL_ERROR, "masked frame" if is_masked else "unmasked frame")
        length = second & 0x7F
        size = 2
        if length >= _LENGTH_16:
            size = 4 if length == _LENGTH_16 else 10
            if opcode >= Opcode.CLOSE:
                raise _Broken(CloseCode.PROTOCOL_ERROR, "control frame over 125 bytes")
            if len(buffer) - at < size:
                return None
            length = _extended_length(bytes(buffer[at + 2 : at + size]))
        is_final = bool(first & 0x80)
        self._check(opcode, is_final=is_final, length=length)
        mask = b""
        if is_masked:
            mask = bytes(buffer[at + size : at + size + 4])
            size += 4
        return _Header(is_final, opcode, mask, size, length)

    def _check(self, opcode: Opcode, *, is_final: bool, length: int) -> None:
        if opcode >= Opcode.CLOSE:
            if not is_final:
                raise _Broken(CloseCode.PROTOCOL_ERROR, "fragmented control frame")
            return
        if (opcode is Opcode.CONTINUATION) is not (self._opcode is not None):
            what = "continuation of nothing" if self._opcode is None else "message inside a message"
            raise _Broken(CloseCode.PROTOCOL_ERROR, what)
        if len(self._message) + length > self._max_message_size:
            raise _Broken(CloseCode.TOO_BIG, f"message over {self._max_message_size} bytes")

    def _take(self, header: _Header, payload: bytes, received: list[Received]) -> None:
        if header.opcode >= Opcode.CLOSE:
            if header.opcode is Opcode.CLOSE:
                _check_close(payload)
            received.append(Received(header.opcode, payload))
            return
        if header.is_final and self._opcode is None:
            received.append(_whole(header.opcode, payload))
            return
        self._message += payload
        if self._opcode is None:
            self._opcode = header.opcode
        if header.is_final:
            received.append(_whole(self._opcode, bytes(self._message)))
            self._opcode = None
            self._message.clear()


_OPCODES = {int(opcode): opcode for opcode in Opcode}


def _opcode_of(first: int) -> Opcode:
    if first & 0x70:
        raise _Broken(CloseCode.PROTOCOL_ERROR, "reserved bit")
    opcode = _OPCODES.get(first & 0x0F)
    if opcode is None:
        raise _Broken(CloseCode.PROTOCOL_ERROR, f"unknown opcode {first & 0x0F}")
    return opcode


def _extended_length(encoded: bytes) -> int:
    length = int.from_bytes(encoded, "big")
    is_short = len(encoded) == 2  # noqa: PLR2004 - the 16-bit form
    if length < _LENGTH_16 or (not is_short and length <= _MAX_16):
        raise _Broken(CloseCode.PROTOCOL_ERROR, "length not in its shortest form")
    if not is_short and length >> 63:
        raise _Broken(CloseCode.PROTOCOL_ERROR, "length over 63 bits")
    return length


def _whole(opcode: Opcode, payload: bytes) -> Received:
    if opcode is Opcode.TEXT:
        _check_text(payload)
    return Received(opcode, payload)


def _check_text(payload: bytes) -> None:
    try:
        payload.decode()
    except UnicodeDecodeError:
        raise _Broken(CloseCode.INVALID_TEXT, "text that is not UTF-8") from None


def _check_close(payload: bytes) -> None:
    if not payload:
        return
    if len(payload) == 1:
        raise _Broken(CloseCode.PROTOCOL_ERROR, "close code of one byte")
    code = int.from_bytes(payload[:2], "big")
    if code not in _WIRE_CODES and code not in _APPLICATION_CODES:
        raise _Broken(CloseCode.PROTOCOL_ERROR, "close code that may not be sent")
    _check_text(payload[2:])


def apply_mask(mask: bytes, payload: bytes) -> bytes:
    """Return `payload` masked or unmasked with the four bytes of `mask`."""
    length = len(payload)
    repeated = (mask * (length // 4 + 1))[:length]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(length, "little")


def encode_frame(opcode: Opcode, payload: bytes = b"", *, is_masked: bool = False) -> bytes:
    """Return one final frame. A client's frames are masked with a fresh random key, a server's are not."""
    length = len(payload)
    mask_bit = 0x80 if is_masked else 0
    first = 0x80 | opcode
    if length <= _MAX_CONTROL:
        header = bytes((first, mask_bit | length))
    elif length <= _MAX_16:
        header = bytes((first, mask_bit | _LENGTH_16)) + length.to_bytes(2, "big")
    else:
        header = bytes((first, mask_bit | _LENGTH_64)) + length.to_bytes(8, "big")
    if not is_masked:
        return header + payload
    mask = secrets.token_bytes(4)
    return header + mask + apply_mask(mask, payload)


def encode_close(code: int, reason: str = "", *, is_masked: bool = False) -> bytes:
    """Return a close frame; the reason is cut to what a control frame holds."""
    text = reason.encode()[: _MAX_CONTROL - 2].decode(errors="ignore").encode()
    return encode_frame(Opcode.CLOSE, code.to_bytes(2, "big") + text, is_masked=is_masked)


def close_code_of(payload: bytes) -> int:
    """Return the code in a close frame's payload; 1005 when it has none."""
    return int.from_bytes(payload[:2], "big") if len(payload) > 1 else 1005
