"""One conversation: frames from the caller to the engine and back, by callbacks, without a task per message.

Only audio reaches the engine, and only after its handshake. It refuses to hold more than a bounded number of bytes
for either side: a caller that does not read is dropped, an engine that does not read pauses its caller.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass

from plexctl.gateway.deadlines import Deadlines, Ending
from plexctl.gateway.frames import (
    CloseCode,
    FrameReader,
    Opcode,
    Received,
    close_code_of,
    encode_close,
    encode_frame,
)
from plexctl.gateway.link import EngineLink
from plexctl.gateway.preamble import Preamble
from plexctl.gateway.settings import Limits
from plexctl.voice import Kind, encode

MAX_MESSAGE_SIZE = 128 * 1024
"""Bytes of the largest message a caller may send: two of the largest Ogg pages."""
MAX_MALFORMED = 100
LINGER_S = 3.0
"""How long a caller has to read its close code before the connection is cut."""


@dataclass(slots=True)
class Counts:
    """What passed in one conversation."""

    to_engine_bytes: int = 0
    to_caller_bytes: int = 0
    ignored: int = 0
    malformed: int = 0
    early: int = 0
    handshake_s: float | None = None


class Conversation:
    """Joins an upgraded caller and an open link. aiohttp feeds it the caller's bytes (`feed_data`, `feed_eof`)."""

    def __init__(
        self,
        transport: asyncio.Transport,
        link: EngineLink,
        limits: Limits,
        now: Callable[[], float],
    ) -> None:
        self.counts = Counts()
        self.ending: Ending | None = None
        """Set when the conversation is over."""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Resolves when the caller's connection is gone or was given up."""
        self._transport = transport
        self._link = link
        self._now = now
        self._started = now()
        self._deadlines = Deadlines(limits, self._started)
        self._reader = FrameReader(expects_mask=True, max_message_size=MAX_MESSAGE_SIZE)
        self._preamble = Preamble()
        self._is_talking = False
        self._tick_s = min(1.0, limits.heartbeat_s / 4)
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(self._tick_s, self._tick)
        link.closed.add_done_callback(self._engine_gone)
        link.start(self._from_engine, self._engine_full, self._engine_free)

    def feed_data(self, data: bytes) -> tuple[bool, bytes]:
        """Take the caller's bytes; the answer is what aiohttp expects of a parser."""
        for received in self._reader.feed(data):
            if self.ending is None:
                self._from_caller(received)
            elif received.opcode is Opcode.CLOSE:
                self._hang_up()
        violation = self._reader.violation
        if violation is not None and self.ending is None:
            self.end(violation.code, violation.reason)
        return False, b""

    def feed_eof(self) -> None:
        """Take note that the caller's connection is gone."""
        if self.ending is None:
            self.ending = Ending(CloseCode.GOING_AWAY, "caller left without a goodbye")
            self._let_engine_go()
        self._timer.cancel()
        if not self.over.done():
            self.over.set_result(None)

    def end(self, code: CloseCode, reason: str) -> None:
        """Close the conversation on both sides; the first ending counts."""
        if self.ending is not None:
            return
        self.ending = Ending(code, reason)
        self._let_engine_go()
        self._transport.resume_reading()
        if not self._transport.is_closing():
            self._transport.write(encode_close(code, reason))
            # Over TLS nothing can be read once the end was said: there the caller's own close frame is the end.
            if self._transport.can_write_eof():
                self._transport.write_eof()
        self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_S, self._give_up)

    def _from_caller(self, received: Received) -> None:
        if received.opcode is Opcode.BINARY:
            self._message(received.payload)
        elif received.opcode is Opcode.PING:
            self._to_caller(encode_frame(Opcode.PONG, received.payload))
        elif received.opcode is Opcode.PONG:
            self._deadlines.pong()
        elif received.opcode is Opcode.TEXT:
            self.end(CloseCode.UNSUPPORTED, "text frames carry nothing here")
        else:
            self._goodbye(received.payload)

    def _message(self, data: bytes) -> None:
        if not data or data[0] > Kind.PING:
            self.counts.malformed += 1
            if self.counts.malformed > MAX_MALFORMED:
                self.end(CloseCode.POLICY, "malformed messages")
        elif data[0] != Kind.AUDIO:
            self.counts.ignored += 1
        else:
            self._audio(data)

    def _audio(self, data: bytes) -> None:
        self._deadlines.audio(self._now())
        if not self._preamble.is_done:
            if not self._is_talking:
                self.counts.early += 1
            ogg = self._preamble.feed(data[1:])
            if not ogg:
                return
            data = encode(Kind.AUDIO, ogg)
        self.counts.to_engine_bytes += len(data)
        self._link.send(data)

    def _from_engine(self, received: Received) -> None:
        if self.ending is not None:
            return
        if received.opcode is Opcode.CLOSE:
            self._engine_goodbye(received.payload)
            return
        payload = received.payload
        if received.opcode is Opcode.BINARY and payload[:1] == b"\x00" and not self._is_talking:
            self._handshake()
        self.counts.to_caller_bytes += len(payload)
        self._to_caller(encode_frame(received.opcode, payload))

    def _handshake(self) -> None:
        now = self._now()
        self._is_talking = True
        self.counts.handshake_s = now - self._started
        self._deadlines.talking(now)
        headers = self._preamble.open()
        if headers:
            self._link.send(encode(Kind.AUDIO, headers))

    def _to_caller(self, frame: bytes) -> None:
        if self._transport.is_closing():
            return
        self._transport.write(frame)
        waiting = self._transport.get_write_buffer_size()
        if waiting:
            self._check_backlog(waiting)

    def _check_backlog(self, waiting: int) -> None:
        ending = self._deadlines.backlog(self._now(), waiting)
        if ending is not None:
            self.end(ending.code, ending.reason)

    def _goodbye(self, payload: bytes) -> None:
        code = close_code_of(payload)
        self.ending = Ending(CloseCode.NORMAL, f"caller left ({code})")
        self._let_engine_go()
        self._transport.write(encode_frame(Opcode.CLOSE, payload[:2]))
        self._hang_up()

    def _hang_up(self) -> None:
        # asyncio's TLS transport forgets its connection when it is closed twice, and could not be aborted then.
        if not self._transport.is_closing():
            self._transport.close()
        self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_S, self._give_up)

    def _give_up(self) -> None:
        self._transport.abort()

    def _engine_goodbye(self, payload: bytes) -> None:
        code = close_code_of(payload)
        if not self._is_talking:
            self.end(CloseCode.ENGINE, f"engine refused the conversation ({code})")
        elif code in (CloseCode.NORMAL, CloseCode.GOING_AWAY):
            self.end(CloseCode.NORMAL, "engine ended the conversation")
        else:
            self.end(CloseCode.ENGINE, f"engine closed with {code}")

    def _engine_gone(self, _: asyncio.Future[None]) -> None:
        what = "engine crashed" if self._is_talking else "engine refused the conversation or crashed"
        self.end(CloseCode.ENGINE, what)

    def _engine_full(self) -> None:
        self._deadlines.flow(self._now(), is_open=False)
        if self.ending is None:
            self._transport.pause_reading()

    def _engine_free(self) -> None:
        self._deadlines.flow(self._now(), is_open=True)
        self._transport.resume_reading()

    def _let_engine_go(self) -> None:
        self._link.close()

    def _tick(self) -> None:
        now = self._now()
        self._timer = self._loop.call_later(self._tick_s, self._tick)
        self._check_backlog(self._transport.get_write_buffer_size())
        ending = self._deadlines.due(now)
        if self.ending is not None:
            return
        if ending is not None:
            self.end(ending.code, ending.reason)
            return
        if self._deadlines.wants_ping(now):
            self._to_caller(encode_frame(Opcode.PING))
        left_s = self._deadlines.wants_notice(now)
        if left_s is not None:
            self._to_caller(encode_frame(Opcode.BINARY, _notice(left_s)))


def _notice(left_s: float) -> bytes:
    """Return the message that tells a caller of the session limit: metadata, which clients may ignore."""
    words = {"type": "session_ends", "seconds_left": round(left_s), "reason": "session limit"}
    return encode(Kind.METADATA, json.dumps(words).encode())
