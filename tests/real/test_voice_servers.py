"""Real model servers, bare and behind the gateway, judged by the probe."""

from __future__ import annotations

import asyncio
import time

from tests.real.rig import Engine, RealGateway, VoiceServer

from plexctl.probe import Level, ProbeOptions, probe

_REAL_TIME = 0.95
_FIRST_PROMPT = "You are A. You speak slowly, you like long sentences, and rivers."
_SECOND_PROMPT = "hello"


async def test_a_bare_server_talks_in_real_time(bare: VoiceServer) -> None:
    """The probe hears a server that knows nothing of plexctl."""
    report = await probe(ProbeOptions(url=bare.url))
    assert report.verdict == "talking", report.to_dict()
    assert (report.audio.real_time_factor or 0) >= _REAL_TIME


def test_a_server_behind_the_gateway_talks_in_real_time(gateway: RealGateway) -> None:
    """The gateway in between costs no real time."""
    heard = gateway.deployed["probe"]
    assert heard["verdict"] == "talking", heard
    assert heard["audio"]["real_time_factor"] >= _REAL_TIME


async def test_a_second_caller_is_told_busy_and_changes_nothing(gateway: RealGateway, engine: Engine) -> None:
    """Bare, the second caller would wait in silence and overwrite the first one's voice and prompt."""
    first = asyncio.create_task(probe(ProbeOptions(url=gateway.url, voice="NATF2.pt", text_prompt=_FIRST_PROMPT)))
    await _until_busy(gateway)
    begun = time.monotonic()
    second = await probe(
        ProbeOptions(url=gateway.url, voice="NATM1.pt", text_prompt=_SECOND_PROMPT, level=Level.UPGRADE)
    )
    assert second.verdict == "busy", second.to_dict()
    assert time.monotonic() - begun < 1
    assert (await first).verdict == "talking"
    third = await probe(ProbeOptions(url=gateway.url, voice="NATM1.pt", text_prompt=_SECOND_PROMPT, seconds=1))
    assert third.verdict == "talking", third.to_dict()
    if engine.name == "personaplex":
        sessions = [line.partition("session ")[2] for line in gateway.log() if "session voice=" in line]
        assert [session.split()[0] for session in sessions[-2:]] == ["voice=NATF2.pt", "voice=NATM1.pt"]
        tokens = [int(session.rpartition("=")[2]) for session in sessions[-2:]]
        assert tokens[0] > tokens[1]


async def _until_busy(gateway: RealGateway) -> None:
    from plexctl.wire import get

    async with asyncio.timeout(10):
        while True:
            answer = await get(gateway.deployed["endpoint"]["url"] + "/health")
            if b'"busy": 1' in answer.body or b'"busy":1' in answer.body:
                return
            await asyncio.sleep(0.02)
