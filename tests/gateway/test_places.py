"""One engine, one caller: busy at once, never the other's words, and the place free again after every kind of end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest
from tests.gateway.rig import Gateway, running
from tests.gateway.wire import Wire, audio, frame

FREEZE = """
import asyncio, sys
from websockets.asyncio.client import connect
async def main():
    async with connect(sys.argv[1]) as call:
        await call.recv()
        print("talking", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_the_second_caller_hears_busy_at_once_and_changes_nothing(gateway: Gateway) -> None:
    """A plain caller gets 503 with Retry-After, a page 1013, both within a second; the first keeps its words."""
    first = await gateway.wire("?voice_prompt=NATM1.pt&text_prompt=first")
    assert (await first.frame()).payload == b"\x00"
    assert (await first.frame()).payload == b"\x02voice=NATM1.pt prompt=first"
    async with asyncio.timeout(1):
        second = await Wire.connect(gateway.port)
        status, head = await second.request(
            "GET /api/chat?voice_prompt=NATF0.pt&text_prompt=second HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        assert status == 503
        assert b"Retry-After: " in head
    async with gateway.session.get(f"{gateway.url}/api/chat") as answer:
        assert (answer.status, await answer.json()) == (503, {"error": "busy"})
    async with asyncio.timeout(1):
        page = await Wire.connect(gateway.port)
        assert await page.upgrade("/api/chat", "Origin: http://127.0.0.1\r\n") == 101
        close = await page.until_close()
        assert (close.close_code, close.reason) == (1013, "busy")
    said = ""
    for number in range(120):
        first.send(frame(2, audio(serial=number)))
        answer_frame = await first.frame()
        if answer_frame.payload[:1] == b"\x02":
            said += answer_frame.payload[1:].decode()
    assert "second" not in said
    for wire in (first, second, page):
        await wire.close()


async def test_the_next_caller_need_not_wait_for_the_last_one_to_be_forgotten(gateway: Gateway) -> None:
    """A caller who comes the moment another has hung up is never told busy."""
    for _ in range(40):
        wire = await gateway.wire()
        assert (await wire.frame()).payload == b"\x00"
        await wire.close()


@pytest.mark.parametrize("way", ["goodbye", "cut", "half closed"])
async def test_the_place_is_free_after_the_caller_left(gateway: Gateway, way: str) -> None:
    """However a caller leaves, the next one talks."""
    for _ in range(3):
        wire = await gateway.wire()
        await wire.handshake()
        if way == "goodbye":
            wire.send(frame(8, b"\x03\xe8"))
        elif way == "cut":
            await wire.close()
        else:
            wire.writer.write_eof()
        await gateway.idle()
        await wire.close()


async def test_a_silent_caller_is_dropped() -> None:
    """Without audio the conversation ends with 1008 'no audio'."""
    async with running(PLEXCTL_SILENCE_TIMEOUT_S="1", PLEXCTL_HEARTBEAT_S="2") as gateway:
        wire = await gateway.wire()
        close = await wire.until_close()
        assert (close.close_code, close.reason) == (1008, "no audio")
        await gateway.idle()
        await wire.close()


async def test_a_session_limit_is_told_before_it_ends_the_conversation_with_1000() -> None:
    """Whoever talks too long is told by a metadata message how long is left, and hears why it ends."""
    async with running(PLEXCTL_MAX_SESSION_S="1", PLEXCTL_HEARTBEAT_S="1") as gateway:
        wire = await gateway.wire()
        await wire.handshake()
        told = await wire.frame()
        while told.opcode == 9:
            told = await wire.frame()
        assert told.payload[:1] == b"\x04"
        assert json.loads(told.payload[1:])["type"] == "session_ends"
        close = await wire.until_close()
        assert (close.close_code, close.reason) == (1000, "session limit")
        await wire.close()


async def test_a_caller_that_never_answers_a_ping_is_dropped() -> None:
    """A peer that reads and sends but gives no pong is no live WebSocket peer."""
    async with running(PLEXCTL_HEARTBEAT_S="0.5") as gateway:
        wire = await gateway.wire()
        close = await wire.until_close()
        assert (close.close_code, close.reason) == (1008, "no answer to ping")
        await wire.close()


async def test_a_caller_that_answers_pings_stays() -> None:
    """A quiet caller with a working heartbeat is kept for as long as the silence limit says."""
    async with running(PLEXCTL_HEARTBEAT_S="0.2") as gateway:
        wire = await gateway.wire()
        await wire.handshake()
        for _ in range(6):
            ping = await wire.frame()
            assert ping.opcode == 9
            wire.send(frame(10, ping.payload))
        assert (await gateway.health())["busy"] == 1
        await wire.close()


async def test_a_frozen_caller_frees_its_engine_within_30_s(gateway: Gateway) -> None:
    """A real caller process stopped with SIGSTOP loses its place by the heartbeat, with the default limits."""
    url = f"ws://127.0.0.1:{gateway.port}/api/chat"
    caller = await asyncio.create_subprocess_exec(sys.executable, "-c", FREEZE, url, stdout=asyncio.subprocess.PIPE)
    assert caller.stdout is not None
    assert await caller.stdout.readline() == b"talking\n"
    os.kill(caller.pid, signal.SIGSTOP)
    try:
        await gateway.idle(limit_s=30)
        wire = await gateway.wire()
        await wire.handshake()
        await wire.close()
    finally:
        caller.kill()
        await caller.wait()


async def test_a_caller_that_never_reads_is_dropped_and_costs_little() -> None:
    """A caller that only sends is dropped; the gateway's memory stays where it was."""
    async with running(PLEXCTL_HEARTBEAT_S="2") as gateway:
        before = gateway.rss_kib()
        wire = await gateway.wire()
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        message = frame(2, audio(seconds=4.0)) * 50

        async def flood() -> None:
            while True:
                wire.send(message)
                await wire.writer.drain()

        flooding = asyncio.create_task(flood())
        await gateway.idle(limit_s=20)
        assert gateway.rss_kib() - before < 50 * 1024
        flooding.cancel()
        await asyncio.gather(flooding, return_exceptions=True)
        await wire.close()
