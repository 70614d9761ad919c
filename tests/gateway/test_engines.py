"""Engines that die, hang or never start: what the gateway says and does, through real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest
from tests.gateway.rig import running, start, until
from tests.gateway.wire import Wire, audio, frame


def is_alive(pid: int) -> bool:
    """Tell whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("oom", "out of GPU memory"),
        ("gated", "gated"),
        ("no-kernel", "no kernel for this GPU"),
        ("missing-library", "missing library libopus.so.0"),
        ("crash-at-start", "RuntimeError: told to crash at start"),
    ],
)
async def test_an_engine_that_never_starts_ends_in_failed_with_words(fault: str, words: str) -> None:
    """Three deaths in a row without ever being ready: failed, with the reason; health and logs go on answering."""
    gateway = await start(PLEXCTL_ECHO_FAULT=fault)
    try:
        document = await gateway.state("failed")
        assert words in document["reason"]
        async with gateway.session.get(f"{gateway.url}/api/chat") as answer:
            assert answer.status == 503
            refusal = await answer.json()
        assert (refusal["error"], refusal["reason"]) == ("failed", document["reason"])
        async with gateway.session.get(f"{gateway.url}/logs") as answer:
            assert "engine-0 failed" in await answer.text()
        page = await Wire.connect(gateway.port)
        assert await page.upgrade("/api/chat", "Origin: http://127.0.0.1\r\n") == 101
        assert (await page.until_close()).close_code == 1011
        await page.close()
    finally:
        assert await gateway.stop() == 0


async def test_an_engine_that_cannot_be_run_ends_in_failed(tmp_path: Path) -> None:
    """An engine python that is no program fails in words, not in a traceback."""
    script = tmp_path / "python"
    script.write_text("not a program")
    script.chmod(0o755)
    gateway = await start(PLEXCTL_ENGINE="personaplex", PLEXCTL_ENGINE_PYTHON=str(script))
    try:
        assert "cannot be started" in (await gateway.state("failed"))["reason"]
    finally:
        assert await gateway.stop() == 0


async def test_an_environment_without_moshi_ends_in_failed() -> None:
    """The launcher runs upstream's module with the engine's own python; without it the missing module is named."""
    gateway = await start(PLEXCTL_ENGINE="personaplex", PLEXCTL_ENGINE_PYTHON=sys.executable)
    try:
        assert "missing module moshi" in (await gateway.state("failed"))["reason"]
    finally:
        assert await gateway.stop() == 0


async def test_an_engine_that_is_never_ready_is_given_up() -> None:
    """Loading for longer than allowed counts as a death, and the reason names the phase."""
    gateway = await start(PLEXCTL_ECHO_LOAD_S="60", PLEXCTL_START_TIMEOUT_S="0.5")
    try:
        reason = (await gateway.state("failed"))["reason"]
        assert "not ready within" in reason
    finally:
        assert await gateway.stop() == 0


async def test_loading_shows_its_phases_and_answers_loading() -> None:
    """While the engine loads, health is 503 with the phase, and callers are told to come back."""
    gateway = await start(PLEXCTL_ECHO_LOAD_S="4")
    try:
        document = await gateway.state("loading")
        assert document["phase"] in ("audio codec", "language model")
        async with gateway.session.get(f"{gateway.url}/health") as answer:
            assert answer.status == 503
        async with gateway.session.get(f"{gateway.url}/api/chat") as answer:
            assert (answer.status, await answer.json()) == (503, {"error": "loading"})
            assert answer.headers["Retry-After"]
        await gateway.state("ready")
    finally:
        assert await gateway.stop() == 0


async def test_a_killed_engine_is_started_again_and_its_caller_hears_why() -> None:
    """SIGKILL of the engine closes the conversation with 1011 'engine crashed'; a new engine takes the next caller."""
    async with running() as gateway:
        wire = await gateway.wire()
        await wire.handshake()
        (engine,) = gateway.engine_pids()
        os.kill(engine, signal.SIGKILL)
        close = await wire.until_close()
        assert (close.close_code, close.reason) == (1011, "engine crashed")
        await wire.close()

        async def another() -> bool | None:
            document = await gateway.health()
            is_new = gateway.engine_pids() not in ([engine], [])
            return True if document["state"] == "ready" and is_new else None

        await until(another)
        again = await gateway.wire()
        await again.handshake()
        await again.close()
        assert any("SIGKILL" in line for line in gateway.lines)


async def test_a_frozen_engine_is_ended_and_started_again() -> None:
    """An engine that runs and answers nothing (SIGSTOP) is found out without a caller's help."""
    async with running(PLEXCTL_ENGINE_CHECK_S="0.5") as gateway:
        (engine,) = gateway.engine_pids()
        os.kill(engine, signal.SIGSTOP)
        await gateway.line("answered nothing")

        async def another() -> bool | None:
            return True if gateway.engine_pids() not in ([engine], []) else None

        await until(another)
        await gateway.state("ready")


async def test_an_engine_that_crashes_in_a_conversation_is_started_again() -> None:
    """A crash in the middle is told to the caller and does not end the gateway."""
    async with running(PLEXCTL_ECHO_FAULT="crash") as gateway:
        wire = await gateway.wire()
        await wire.handshake()
        wire.send(frame(2, audio(seconds=4)))
        await wire.frame()
        wire.send(frame(2, audio()))
        assert (await wire.until_close()).close_code == 1011
        await gateway.line("engine-0 died")
        await gateway.state("ready")
        await wire.close()


@pytest.mark.parametrize(("fault", "reason"), [("mute", "engine gave no handshake"), ("silent", None), ("stall", None)])
async def test_engines_that_hang(fault: str, reason: str | None) -> None:
    """A missing handshake ends with 1011; silence after it is the probe's to judge and the caller's to end."""
    async with running(PLEXCTL_ECHO_FAULT=fault, PLEXCTL_HANDSHAKE_TIMEOUT_S="1", PLEXCTL_HEARTBEAT_S="2") as gateway:
        wire = await gateway.wire()
        if reason is not None:
            close = await wire.until_close()
            assert (close.close_code, close.reason) == (1011, reason)
        else:
            assert (await wire.frame()).payload == b"\x00"
            wire.send(frame(2, audio()) + frame(8, b"\x03\xe8"))
            assert (await wire.until_close()).close_code == 1000
        await gateway.idle()
        await wire.close()


async def test_a_slow_engine_answers_late() -> None:
    """The `slow` fault speaks at half of real time."""
    async with running(PLEXCTL_ECHO_FAULT="slow") as gateway:
        wire = await gateway.wire()
        await wire.handshake()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        wire.send(frame(2, audio(seconds=0.2)) + frame(2, audio(seconds=0.2)))
        await wire.frame()
        await wire.frame()
        assert loop.time() - begun > 0.7
        await wire.close()


async def test_engines_end_with_a_killed_gateway() -> None:
    """SIGKILL of the gateway leaves no engine behind."""
    gateway = await start(PLEXCTL_ENGINES="2")
    await gateway.state("ready")

    async def both() -> list[int] | None:
        pids = gateway.engine_pids()
        return pids if len(pids) == 2 else None

    pids = await until(both)
    gateway.process.kill()
    await gateway.stop()

    async def gone() -> bool | None:
        return None if any(map(is_alive, pids)) else True

    await until(gone, 5)


async def test_two_engines_take_two_callers() -> None:
    """Each caller gets an engine of its own; the third hears busy."""
    async with running(PLEXCTL_ENGINES="2") as gateway:

        async def both() -> bool | None:
            return True if (await gateway.health())["capacity"] == 2 else None

        await until(both)
        one = await gateway.wire("?voice_prompt=NATF0.pt&text_prompt=one")
        two = await gateway.wire("?voice_prompt=NATM0.pt&text_prompt=two")
        assert [(await one.frame()).payload, (await one.frame()).payload[1:]] == [
            b"\x00",
            b"voice=NATF0.pt prompt=one",
        ]
        assert [(await two.frame()).payload, (await two.frame()).payload[1:]] == [
            b"\x00",
            b"voice=NATM0.pt prompt=two",
        ]
        third = await Wire.connect(gateway.port)
        assert await third.upgrade("/api/chat") == 503
        for wire in (one, two, third):
            await wire.close()
