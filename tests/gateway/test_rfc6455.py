"""RFC 6455 over a bare socket: what Autobahn's fuzzing client tries, as far as the voice protocol carries messages."""

from __future__ import annotations

import pytest
from tests.gateway.rig import Gateway
from tests.gateway.wire import MASK, Wire, audio, frame, page

pytestmark = pytest.mark.asyncio(loop_scope="module")

BIG = 70_000
VIOLATIONS: dict[str, tuple[bytes, int]] = {
    "unmasked frame": (frame(2, audio(), is_masked=False), 1002),
    "unmasked ping": (frame(9, b"x", is_masked=False), 1002),
    "reserved bit 1": (frame(2, audio(), first=0xC2), 1002),
    "reserved bit 2": (frame(2, audio(), first=0xA2), 1002),
    "reserved bit 3": (frame(2, audio(), first=0x92), 1002),
    "reserved bit on a ping": (frame(9, b"", first=0xC9), 1002),
    **{f"unknown opcode {code}": (frame(code, b"x"), 1002) for code in (3, 4, 5, 6, 7, 11, 12, 13, 14, 15)},
    "fragmented ping": (frame(9, b"x", first=0x09), 1002),
    "fragmented close": (frame(8, b"", first=0x08), 1002),
    "ping of 126 bytes": (frame(9, b"x" * 126), 1002),
    "close of 126 bytes": (frame(8, b"\x03\xe8" + b"x" * 124), 1002),
    "continuation of nothing": (frame(0, b"x"), 1002),
    "final continuation after a whole message": (frame(2, audio()) + frame(0, b"x"), 1002),
    "message inside a message": (frame(2, b"\x01", first=0x02) + frame(2, b"x"), 1002),
    "length over 63 bits": (b"\x82\xff\x80" + bytes(7) + MASK, 1009),
    "close code of one byte": (frame(8, b"\x03"), 1002),
    **{
        f"close code {code}": (frame(8, code.to_bytes(2, "big")), 1002)
        for code in (0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535)
    },
    "close reason that is not UTF-8": (frame(8, b"\x03\xe8\xce\xba\xff"), 1007),
    "text that is not UTF-8": (frame(1, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"), 1007),
    "fragmented text that is not UTF-8": (frame(1, b"\xce", first=0x01) + frame(0, b"\xce"), 1007),
    "text": (frame(1, b"hello"), 1003),
    "empty text": (frame(1), 1003),
    "fragmented text": (frame(1, b"\xce", first=0x01) + frame(0, b"\xba"), 1003),
    "message of 128 KiB and one byte": (frame(2, b"\x01" + bytes(128 * 1024)), 1009),
    "fragments that add up to too much": (
        frame(2, bytes(BIG), first=0x02) + frame(0, bytes(BIG), first=0x00),
        1009,
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
async def test_violation_is_closed_with_its_code(shared: Gateway, name: str) -> None:
    """Each breach of RFC 6455 ends the connection with the code that the RFC gives for it."""
    data, code = VIOLATIONS[name]
    wire = await shared.wire()
    wire.send(data)
    close = await wire.until_close()
    assert close.close_code == code, close
    await wire.until_eof()
    await wire.close()


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 4999])
async def test_goodbye_is_echoed(shared: Gateway, code: int) -> None:
    """A caller's close frame is answered with its own code, and the connection is closed."""
    wire = await shared.wire()
    wire.send(frame(8, code.to_bytes(2, "big") + "adieu \N{SNOWMAN}".encode()))
    assert (await wire.until_close()).close_code == code
    await wire.until_eof()
    await wire.close()


async def test_goodbye_without_a_code_is_answered_without_one(shared: Gateway) -> None:
    """An empty close frame is answered with an empty one."""
    wire = await shared.wire()
    wire.send(frame(8))
    assert (await wire.until_close()).payload == b""
    await wire.until_eof()
    await wire.close()


@pytest.mark.parametrize("size", [0, 1, 125])
async def test_ping_is_answered_with_its_payload(shared: Gateway, size: int) -> None:
    """A ping comes back as a pong with the same bytes."""
    wire = await shared.wire()
    await wire.handshake()
    wire.send(frame(9, bytes(range(size))))
    pong = await wire.frame()
    assert (pong.opcode, pong.payload) == (10, bytes(range(size)))
    await wire.close()


async def test_unasked_pong_is_passed_over(shared: Gateway) -> None:
    """A pong nobody asked for changes nothing."""
    wire = await shared.wire()
    await wire.handshake()
    wire.send(frame(10, b"out of the blue") + frame(9, b"still here"))
    assert (await wire.frame()).payload == b"still here"
    await wire.close()


async def test_fragments_with_pings_between_make_one_message(shared: Gateway) -> None:
    """Control frames inside a fragmented message are answered at once, and the message arrives whole."""
    wire = await shared.wire()
    await wire.handshake()
    message = audio()
    wire.send(frame(2, message[:10], first=0x02) + frame(9, b"one"))
    assert (await wire.frame()).payload == b"one"
    wire.send(frame(0, b"", first=0x00) + frame(0, message[10:20], first=0x00) + frame(9, b"two"))
    assert (await wire.frame()).payload == b"two"
    wire.send(frame(0, message[20:]))
    assert (await wire.frame()).payload == message
    await wire.close()


@pytest.mark.parametrize("size", [40, 126, 127, 65_000, 65_535 + 300])
async def test_lengths_of_all_three_forms_arrive(shared: Gateway, size: int) -> None:
    """Messages with 7, 16 and 64 bit lengths reach the engine and come back byte for byte."""
    wire = await shared.wire()
    await wire.handshake()
    pages = b""
    while len(pages) < size - 1:
        pages += page(body=b"\xf8" + bytes(250))
    wire.send(frame(2, b"\x01" + pages))
    heard = b""
    while len(heard) < len(pages):
        answer = await wire.frame()
        heard += answer.payload[1:] if answer.payload[:1] == b"\x01" else b""
    assert heard == pages
    await wire.close()


async def test_frames_cut_into_single_bytes_arrive(shared: Gateway) -> None:
    """How TCP cuts a frame does not matter."""
    wire = await shared.wire()
    await wire.handshake()
    for byte in frame(2, audio()):
        wire.send(bytes([byte]))
        await wire.writer.drain()
    assert (await wire.frame()).payload == audio()
    await wire.close()


async def test_many_frames_in_one_piece_arrive_in_order(shared: Gateway) -> None:
    """Frames that come together are all read, in order."""
    wire = await shared.wire()
    await wire.handshake()
    wire.send(b"".join(frame(2, audio(serial=number)) for number in range(40)))
    answers = [await wire.frame() for _ in range(40)]
    assert [answer.payload for answer in answers] == [audio(serial=number) for number in range(40)]
    await wire.close()


async def test_no_extension_and_no_subprotocol_is_agreed_on(shared: Gateway) -> None:
    """Compression is refused whatever a caller offers."""
    wire = await Wire.connect(shared.port)
    _, head = await wire.request(
        "GET /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"
    )
    assert b" 101 " in head
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    assert b"xtensions" not in head
    assert b"-Protocol" not in head
    await wire.close()


@pytest.mark.parametrize(
    "headers",
    [
        "Sec-WebSocket-Version: 12\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
        "Sec-WebSocket-Version: 13\r\n",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: short\r\n",
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \xe4AAAAAAAAAAAAAAAAAAAAA==\r\n",
    ],
)
async def test_broken_handshake_is_answered_with_400(shared: Gateway, headers: str) -> None:
    """A handshake without version 13 and a 16-byte key is refused in words, and takes no place."""
    wire = await Wire.connect(shared.port)
    status, _ = await wire.request(
        f"GET /api/chat HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{headers}\r\n"
    )
    assert status == 400
    await wire.close()


async def test_a_handshake_in_http_1_0_is_answered_with_400(shared: Gateway) -> None:
    """RFC 6455 needs HTTP/1.1."""
    wire = await Wire.connect(shared.port)
    status, _ = await wire.request(
        "GET /api/chat HTTP/1.0\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert status == 400
    await wire.close()
