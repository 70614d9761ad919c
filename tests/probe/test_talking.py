"""upgrade, handshake and audio: each way a conversation fails has its outcome and verdict, over real WebSockets."""

from __future__ import annotations

import tracemalloc
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.probe import servers
from tests.probe.conftest import Certificates
from tests.probe.servers import Answer, Talk, echo, raw_server, voice_server

from plexctl.probe import Level, ProbeOptions, probe, probe_many
from plexctl.probe.report import Report
from plexctl.secret import Secret
from plexctl.voice import Recording
from plexctl.wire import Trust

CANARY = "canary-3f9a"


async def run(address: str, **options: Any) -> Report:
    """Probe quickly: half a second of voice, short waits."""
    defaults: dict[str, Any] = {"seconds": 0.5, "timeout_s": 5.0, "handshake_timeout_s": 5.0}
    return await probe(ProbeOptions(url=f"http://{address}", **(defaults | options)))


def last(report: Report) -> tuple[str, str, str]:
    """Return name and outcome of the last stage, and the verdict."""
    return report.stages[-1].name, report.stages[-1].outcome, report.verdict


@pytest.mark.parametrize("talk", [echo, servers.echo_in_scraps])
async def test_talking(talk: Talk) -> None:
    """All seven stages, all of the voice back, however the server cuts it."""
    async with voice_server(talk) as server:
        report = await run(server.address, seconds=1.0)
    assert last(report) == ("audio", "ok", "talking")
    assert [stage.name for stage in report.stages] == ["dns", "tcp", "tls", "http", "upgrade", "handshake", "audio"]
    data = report.to_dict()["audio"]
    assert data["sent_s"] == data["heard_s"] == 1.0
    assert data["real_time_factor"] == pytest.approx(1.0, abs=0.1)
    assert data["first_audio_ms"] < 500
    assert data["jitter_ms"]["p99"] is not None
    assert Recording.from_ogg(report.heard_ogg).duration_s == pytest.approx(1.0)


async def test_text_is_heard() -> None:
    """What the model writes is kept."""
    async with voice_server(echo) as server:
        assert (await run(server.address)).text == "hello"


async def test_over_tls_with_a_token(certificates: Certificates) -> None:
    """The token goes into a header of both requests, never into a URL; a pin is enough to trust."""
    async with voice_server(echo, tls=certificates.good) as server:
        report = await probe(
            ProbeOptions(
                url=f"wss://{server.address}",
                token=Secret(CANARY),
                trust=Trust.of(fingerprint=certificates.fingerprint),
                seconds=0.3,
            )
        )
    assert report.verdict == "talking"
    assert [request.headers["Authorization"] for request in server.requests] == [f"Bearer {CANARY}"] * 2
    assert CANARY not in "".join(request.path for request in server.requests) + repr(report)


async def test_what_is_sent_is_what_upstream_takes() -> None:
    """Voice and prompt always, a seed never, and not one byte before the handshake."""
    async with voice_server(echo) as server:
        await run(server.address, text_prompt="Be kind.")
        query = parse_qs(urlsplit(server.requests[-1].path).query)
        assert query == {"voice_prompt": ["NATF2.pt"], "text_prompt": ["Be kind."]}
        assert {message[:1] for message in server.messages} == {b"\x01"}
        assert servers.pages_in(server.messages) == len(server.messages)
    async with voice_server(servers.mute) as server:
        await run(server.address, handshake_timeout_s=0.2)
        assert server.messages == []


@pytest.mark.parametrize(
    ("answer", "outcome", "verdict"),
    [
        (Answer(401, {"error": "unauthorized"}), "unauthorized", "unauthorized"),
        (Answer(403), "unauthorized", "unauthorized"),
        (Answer(503, {"error": "busy"}), "busy", "busy"),
        (Answer(503, {"error": "loading"}), "loading", "loading"),
        (Answer(503, {"error": "failed", "reason": "gated"}), "failed", "rejected"),
        (Answer(400, {"error": "bad request", "reason": "no such voice"}), "rejected", "rejected"),
        (Answer(404), "not_found", "rejected"),
        (Answer(302, headers={"Location": "/login"}), "redirect", "unreachable"),
        (Answer(200, "<html>"), "not_websocket", "rejected"),
        (Answer(502), "bad_gateway", "unreachable"),
        (Answer(500), "server_error", "rejected"),
    ],
)
async def test_the_upgrade_is_refused(answer: Answer, outcome: str, verdict: str) -> None:
    """Every HTTP answer but 101."""
    async with voice_server(echo, chat=answer) as server:
        assert last(await run(server.address)) == ("upgrade", outcome, verdict)


@pytest.mark.parametrize(
    ("raw", "outcome", "verdict"),
    [
        (b"", "closed", "rejected"),
        (None, "timeout", "unreachable"),
        (
            b"HTTP/1.1 101 Yes\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
            "not_websocket",
            "rejected",
        ),
        (b"HTTP/1.1 abc\r\n\r\n", "not_websocket", "rejected"),
        (b"x" * 100_000, "not_websocket", "rejected"),
    ],
)
async def test_the_upgrade_is_not_answered_properly(raw: bytes | None, outcome: str, verdict: str) -> None:
    """No answer, or one that is not HTTP or not a WebSocket's."""
    async with raw_server(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", raw) as server:
        assert last(await run(server.address, timeout_s=0.5)) == ("upgrade", outcome, verdict)


AUDIO_TOO_EARLY = b"\x01OggS"


@pytest.mark.parametrize(
    ("talk", "outcome", "verdict"),
    [
        (servers.cut_at_once, "closed_1006", "rejected"),
        (servers.closing(1013, "busy"), "closed_1013", "busy"),
        (servers.closing(1013, "loading"), "loading", "loading"),
        (servers.closing(1011, "engine refused the conversation"), "closed_1011", "rejected"),
        (servers.mute, "silent", "silent"),
        (servers.saying(AUDIO_TOO_EARLY), "broken", "rejected"),
        (servers.saying(b"\x02" + b"x" * 2_000_000), "broken", "rejected"),
        (servers.saying_raw(b"\x02", b"\xff\xff\xff"), "broken", "rejected"),
        (servers.endless(b"\x02", servers.PING), "broken", "rejected"),
        (servers.endless(b"\x02", servers.frame(b"\x02" + b"x" * 60_000)), "broken", "rejected"),
    ],
)
async def test_no_handshake(talk: Talk, outcome: str, verdict: str) -> None:
    """Everything that can come instead of 0x00."""
    async with voice_server(talk) as server:
        report = await run(server.address, handshake_timeout_s=0.4 if talk is servers.mute else 5.0)
    assert last(report) == ("handshake", outcome, verdict)
    assert report.heard_ogg == b""


async def test_silence_says_what_it_may_be() -> None:
    """A bare server gives no busy signal: the words name both reasons."""
    async with voice_server(servers.mute) as server:
        report = await run(server.address, handshake_timeout_s=0.2)
    assert "busy with another caller, or still reading its prompts" in report.detail


@pytest.mark.parametrize(
    ("talk", "seconds", "outcome", "verdict"),
    [
        (servers.half_speed, 1.0, "slow", "slow"),
        (servers.stall, 1.6, "stalled", "slow"),
        (servers.silent, 0.1, "silent", "silent"),
        (servers.cut_in_talk, 1.0, "closed", "rejected"),
        (servers.saying(b"\x00", b"\x01RIFF rubbish"), 1.0, "broken", "rejected"),
        (servers.saying(b"\x00", b"\x01" + b"x" * 2_000_000), 1.0, "broken", "rejected"),
        (servers.saying_raw(b"\x00", b"\xff\xff\xff"), 1.0, "broken", "rejected"),
        (servers.endless(b"\x00", servers.frame(b"\x02" + b"x" * 60_000)), 1.0, "broken", "rejected"),
        (servers.endless(b"\x00", servers.frame(b"\x02")), 1.0, "broken", "rejected"),
        (servers.endless(b"\x00", servers.PING), 1.0, "broken", "rejected"),
    ],
)
async def test_bad_audio(talk: Talk, seconds: float, outcome: str, verdict: str) -> None:
    """Everything that can go wrong after the handshake."""
    async with voice_server(talk) as server:
        assert last(await run(server.address, seconds=seconds)) == ("audio", outcome, verdict)


async def test_half_speed_is_a_factor_of_a_half() -> None:
    """The figure, not only the word."""
    async with voice_server(servers.half_speed) as server:
        report = await run(server.address, seconds=2.0)
    assert report.audio.real_time_factor == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("message", [b"\x02" + b"x" * 60_000, b"\x02", b"\x01" + b"x" * 900_000])
async def test_rubbish_cannot_grow_memory(message: bytes) -> None:
    """A flood of text, of tiny messages, of broken audio: a few MiB at most, and it ends."""
    async with voice_server(servers.endless(b"\x00", servers.frame(message))) as server:
        tracemalloc.start()
        try:
            report = await run(server.address, seconds=0.2)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert report.verdict == "rejected"
    assert peak < 30 * 1024 * 1024
    assert len(report.text) < 200_000


async def test_a_token_that_a_server_repeats_is_blotted_out() -> None:
    """Words of a server never carry the token into a report."""
    chat = Answer(400, {"error": "bad request", "reason": f"header was Bearer {CANARY}"})
    async with voice_server(echo, chat=chat) as server:
        refused = await run(server.address, token=Secret(CANARY))
    async with voice_server(servers.echo_after(CANARY)) as server:
        heard = await run(server.address, token=Secret(CANARY), seconds=0.1)
    for report in (refused, heard):
        assert CANARY not in str(report.to_dict())
        assert "***" in str(report.to_dict())


@pytest.mark.parametrize(
    ("level", "stages", "requests"),
    [(Level.CONNECT, 4, 2), (Level.UPGRADE, 5, 2), (Level.HANDSHAKE, 6, 2), (Level.AUDIO, 7, 2)],
)
async def test_a_level_stops_after_its_stage(level: Level, stages: int, requests: int) -> None:
    """Nothing beyond the level is touched."""
    async with voice_server(echo) as server:
        report = await run(server.address, level=level)
        assert len(server.requests) == requests
        assert bool(server.messages) == (level is Level.AUDIO)
    assert len(report.stages) == stages
    assert report.is_ok
    assert report.verdict == ("talking" if level is Level.AUDIO else "reachable")


async def test_a_busy_gateway_is_asked_all_the_same() -> None:
    """A place may be free by the time of the upgrade, which is what decides."""
    health = Answer(200, {"state": "ready", "busy": 1, "capacity": 1})
    async with voice_server(echo, health=health) as server:
        assert (await run(server.address)).verdict == "talking"


async def test_many_conversations_at_once() -> None:
    """One loop, figures together, the worst verdict for all."""
    async with voice_server(echo) as server:
        report = await probe_many(ProbeOptions(url=f"http://{server.address}", sessions=5, seconds=0.4))
    data = report.to_dict()
    assert data["verdict"] == "talking"
    assert data["verdicts"] == {"talking": 5}
    assert data["audio"]["heard_s"] == pytest.approx(2.0)
    assert data["sessions"] == 5
