"""Whatever bytes a peer sends after the upgrade, in whatever pieces: messages, an end with words, nothing else."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from plexctl.wire import Endpoint
from plexctl.wire.line import MAX_MESSAGE_SIZE, Line
from plexctl.wire.stream import Stream

ENDPOINT = Endpoint(is_secure=False, host="h", port=80, path="/api/chat")


class ScriptedStream:
    """A peer whose bytes after the upgrade are given; it keeps what was sent to it."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.sent = bytearray()
        self.unsent_bytes = 0
        self._pieces = [b"", *pieces]
        self._clock = 0.0

    async def read(self) -> tuple[float, bytes]:
        """Return the next piece; the first is the answer to the upgrade."""
        self._clock += 1.0
        if self._clock == 1.0:
            found = re.search(rb"Sec-WebSocket-Key: (\S+)", self.sent)
            assert found is not None
            head = "HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
            return self._clock, f"{head}{accept_key(found[1].decode())}\r\n\r\n".encode()
        self._pieces.pop(0)
        return self._clock, self._pieces[0] if self._pieces else b""

    def write(self, data: bytes) -> None:
        """Keep what is sent."""
        self.sent += data

    def write_eof(self) -> None:
        """Nothing follows."""

    async def close(self) -> None:
        """Nothing to close."""


async def talk(pieces: list[bytes]) -> tuple[list[bytes | str], Line, ScriptedStream]:
    """Open a line, take all messages until its end."""
    stream = ScriptedStream([piece for piece in pieces if piece])
    line = Line(cast("Stream", stream), ENDPOINT)
    await line.open(None)
    messages: list[bytes | str] = []
    while (incoming := await line.receive()) is not None:
        messages.append(incoming[1])
    await line.close(timeout_s=0.1)
    return messages, line, stream


def frames(message: bytes, pieces: int) -> bytes:
    """Return a message in fragments, with a ping between each two."""
    size = max(1, -(-len(message) // pieces))
    parts = [message[at : at + size] for at in range(0, len(message), size)] or [b""]
    ping = Frame(Opcode.PING, b"?").serialize(mask=False)
    return ping.join(
        Frame(Opcode.CONT if number else Opcode.BINARY, part, fin=number == len(parts) - 1).serialize(mask=False)
        for number, part in enumerate(parts)
    )


@given(
    st.lists(st.tuples(st.binary(max_size=300), st.integers(1, 5)), max_size=5),
    st.lists(st.integers(min_value=0), max_size=8),
)
def test_messages_do_not_depend_on_fragments_or_pieces(messages: list[tuple[bytes, int]], places: list[int]) -> None:
    """Fragments, pings in between, any split of the bytes: the same messages."""
    data = b"".join(frames(message, pieces) for message, pieces in messages)
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    heard, line, _ = asyncio.run(talk([data[start:end] for start, end in pairwise(edges)]))
    assert heard == [message for message, _ in messages]
    assert line.violation is None
    assert line.close_code == 1006


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_rubbish_ends_the_line_and_nothing_else(pieces: list[bytes]) -> None:
    """Any bytes: messages perhaps, then an end with a code; never an exception."""
    _, line, _ = asyncio.run(talk(pieces))
    assert line.close_code >= 1000


@pytest.mark.parametrize("size", [MAX_MESSAGE_SIZE + 1, 2**40])
def test_a_message_beyond_the_limit_is_not_read(size: int) -> None:
    """The header alone ends it: 1009 goes back, nothing is kept."""
    header = b"\x82\x7f" + size.to_bytes(8, "big")
    heard, line, _ = asyncio.run(talk([header]))
    assert heard == []
    assert line.violation is not None


def test_a_close_frame_is_answered_and_its_words_are_kept() -> None:
    """Code and reason of the peer."""
    close = Frame(Opcode.CLOSE, (1013).to_bytes(2, "big") + b"busy").serialize(mask=False)
    heard, line, stream = asyncio.run(talk([close]))
    assert heard == []
    assert (line.close_code, line.close_reason) == (1013, "busy")
    assert stream.sent[-12] == 0x88, "header 2, mask 4, code 2, reason 4"


def test_a_peer_that_only_pings_is_cut_off() -> None:
    """Frames count, not only bytes."""
    ping = Frame(Opcode.PING, b"").serialize(mask=False)
    _, line, _ = asyncio.run(talk([ping * 5_000] * 5))
    assert line.violation == "it sends far more than a voice"
