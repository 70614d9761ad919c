"""What hostile callers do, all while one conversation runs: it must not be disturbed, and memory must not grow."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from tests.gateway.rig import Gateway, running
from tests.gateway.wire import Wire, audio, frame

pytestmark = pytest.mark.alone

MAX_GROWTH_KIB = 50 * 1024
MAX_GAP_S = 0.4
"""A listener's buffer; the machine may be busy with other tests."""
PACE_S = 0.02


class Talker:
    """A conversation at real time that measures the gaps between the answers it hears."""

    def __init__(self, wire: Wire) -> None:
        self._longest_gap_s = 0.0
        self._last_s = asyncio.get_running_loop().time()
        self._wire = wire

    @property
    def longest_gap_s(self) -> float:
        """The longest time without an answer, the one that goes on now included."""
        return max(self._longest_gap_s, asyncio.get_running_loop().time() - self._last_s)

    async def run(self) -> None:
        """Talk until cancelled."""
        await asyncio.gather(self._speak(), self._hear())

    async def _speak(self) -> None:
        loop = asyncio.get_running_loop()
        due, number = loop.time(), 0
        while True:
            self._wire.send(frame(2, audio(serial=number % 65536)))
            number += 1
            due += PACE_S
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _hear(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            heard = await self._wire.frame()
            if heard.opcode == 9:
                self._wire.send(frame(10, heard.payload))
            assert heard.opcode != 8, heard
            self._longest_gap_s = self.longest_gap_s
            self._last_s = loop.time()


@contextlib.asynccontextmanager
async def undisturbed() -> AsyncIterator[Gateway]:
    """Give a gateway with a running conversation, checked at the end."""
    async with running(PLEXCTL_ENGINE_CAPACITY="600") as gateway:
        wire = await gateway.wire()
        await wire.handshake()
        talker = Talker(wire)
        before = gateway.rss_kib()
        talking = asyncio.create_task(talker.run())
        yield gateway
        assert not talking.done(), talking
        growth, gap = gateway.rss_kib() - before, talker.longest_gap_s
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        await wire.close()
        assert growth < MAX_GROWTH_KIB, growth
        assert gap < MAX_GAP_S, gap


async def test_a_message_of_100_mb_is_refused_from_its_header() -> None:
    """1009 comes before the message does, and nothing of it is kept."""
    async with undisturbed() as gateway:
        wire = await gateway.wire()
        size = 100 * 1024 * 1024
        wire.send(b"\x82\xff" + size.to_bytes(8, "big") + b"\x00\x00\x00\x00")
        close = await wire.until_close()
        assert close.close_code == 1009
        peak = gateway.rss_kib()
        block = bytes(1 << 20)
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                wire.send(block)
                await wire.writer.drain()
        assert gateway.rss_kib() - peak < 10 * 1024
        await wire.close()


async def test_a_burst_of_500_connections() -> None:
    """500 callers at once with a wrong request each get their answer; the running conversation does not notice."""
    async with undisturbed() as gateway:

        async def one(number: int) -> int:
            wire = await Wire.connect(gateway.port)
            try:
                return await wire.upgrade("/api/chat?voice_prompt=nope" if number % 2 else "/nowhere")
            finally:
                await wire.close()

        statuses = await asyncio.gather(*(one(number) for number in range(500)))
        assert sorted(set(statuses)) == [400, 404]


async def test_500_callers_for_one_place() -> None:
    """One of them talks, every other one hears busy, and the one is not disturbed."""
    async with running() as gateway:
        first = await gateway.wire()
        await first.handshake()
        talker = Talker(first)
        talking = asyncio.create_task(talker.run())

        async def one(number: int) -> int:
            wire = await Wire.connect(gateway.port)
            try:
                origin = "Origin: http://127.0.0.1\r\n" if number % 2 else ""
                status = await wire.upgrade("/api/chat", origin)
                return (await wire.until_close()).close_code if status == 101 else status
            finally:
                await wire.close()

        answers = await asyncio.gather(*(one(number) for number in range(500)))
        assert set(answers) == {503, 1013}
        assert not talking.done()
        assert talker.longest_gap_s < MAX_GAP_S
        talking.cancel()
        await asyncio.gather(talking, return_exceptions=True)
        await first.close()


async def test_500_connections_that_say_nothing() -> None:
    """500 sockets that never send a request cost little and stop nobody from talking."""
    async with undisturbed() as gateway:
        wires = [await Wire.connect(gateway.port) for _ in range(500)]
        another = await gateway.wire()
        await another.handshake()
        for wire in [*wires, another]:
            await wire.close()


async def test_ten_thousand_malformed_messages() -> None:
    """They end their own conversation with 1008 and nobody else's."""
    async with undisturbed() as gateway:
        wire = await gateway.wire()
        wire.send(frame(2, b"\xee nonsense") * 10_000)
        close = await wire.until_close()
        assert (close.close_code, close.reason) == (1008, "malformed messages")
        await wire.close()


async def test_a_caller_that_floods_audio_is_slowed_down() -> None:
    """Audio far faster than real time is held back by the engine's pace, not stored."""
    async with undisturbed() as gateway:
        wire = await gateway.wire()
        await wire.handshake()
        block = frame(2, audio(seconds=5.0))

        async def send() -> None:
            for _ in range(2000):
                wire.send(block)
                await wire.writer.drain()

        async def hear() -> None:
            while (await wire.frame()).opcode != 8:
                pass

        sending, hearing = asyncio.create_task(send()), asyncio.create_task(hear())
        await asyncio.wait([sending], timeout=20)
        for task in (sending, hearing):
            task.cancel()
        await asyncio.gather(sending, hearing, return_exceptions=True)
        await wire.close()


@pytest.mark.parametrize(
    ("what", "code"),
    [(frame(1, b"text"), 1003), (frame(2, b"\x01" + bytes(200_000)), 1009), (frame(0, b"x"), 1002)],
)
async def test_each_gets_its_answer(what: bytes, code: int) -> None:
    """Text, too much and nonsense each end their own conversation with their own code."""
    async with undisturbed() as gateway:
        wire = await gateway.wire()
        wire.send(what)
        assert (await wire.until_close()).close_code == code
        await wire.close()
