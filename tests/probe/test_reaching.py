"""dns, tcp, tls and http: each way an endpoint cannot be reached has its own outcome, against real sockets."""

from __future__ import annotations

import socket
import ssl
import sys

import pytest
from tests.probe.conftest import Certificates
from tests.probe.servers import Answer, echo, raw_server, voice_server

from plexctl.probe import Level, ProbeOptions, probe
from plexctl.probe.report import Report
from plexctl.wire import SYSTEM, Trust


async def connect(url: str, trust: Trust = SYSTEM, timeout_s: float = 5.0) -> Report:
    """Probe without touching a conversation."""
    return await probe(ProbeOptions(url=url, trust=trust, level=Level.CONNECT, timeout_s=timeout_s))


def last(report: Report) -> tuple[str, str]:
    """Return name and outcome of the last stage."""
    return report.stages[-1].name, report.stages[-1].outcome


async def test_a_name_that_does_not_exist() -> None:
    """RFC 6761 keeps .invalid free; where no name server answers, that is what is said."""
    report = await connect("https://nosuch.invalid")
    assert last(report) in {("dns", "name_not_found"), ("dns", "no_answer")}
    assert "nosuch.invalid" in report.detail
    assert report.verdict == "unreachable"


async def test_nothing_listens() -> None:
    """A bound port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        report = await connect(f"http://127.0.0.1:{bound.getsockname()[1]}")
    assert last(report) == ("tcp", "refused")
    assert report.verdict == "unreachable"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops what its backlog cannot hold")
async def test_nobody_answers() -> None:
    """A full backlog drops the packets, as a firewall does."""
    with socket.socket() as listening, socket.socket() as first, socket.socket() as second:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        for filler in (first, second):
            filler.setblocking(False)  # noqa: FBT003 - the socket's own signature
            filler.connect_ex(listening.getsockname())
        report = await connect(f"http://127.0.0.1:{listening.getsockname()[1]}", timeout_s=0.3)
    assert last(report) == ("tcp", "timeout")
    assert report.stages[-1].seconds >= 0.29


@pytest.mark.parametrize(
    ("which", "outcome"),
    [("good", "untrusted"), ("self_signed", "self_signed")],
)
async def test_certificates_the_system_does_not_trust(certificates: Certificates, which: str, outcome: str) -> None:
    """An unknown CA, and a certificate that vouches for itself."""
    async with voice_server(echo, tls=getattr(certificates, which)) as server:
        report = await connect(f"wss://{server.address}")
    assert last(report) == ("tls", outcome)
    assert "--fingerprint" in report.detail
    assert report.verdict == "unreachable"
    assert server.requests == []


@pytest.mark.parametrize(
    ("which", "stage"),
    [
        ("good", ("http", "ok")),
        ("expired", ("tls", "expired")),
        ("wrong_host", ("tls", "wrong_host")),
    ],
)
async def test_certificates_of_a_trusted_ca(certificates: Certificates, which: str, stage: tuple[str, str]) -> None:
    """With --cacert a good one passes; an expired one and one for another host do not."""
    async with voice_server(echo, tls=getattr(certificates, which)) as server:
        report = await connect(f"https://{server.address}", Trust.of(certificates.cacert))
    assert last(report) == stage


async def test_a_pinned_certificate(certificates: Certificates) -> None:
    """The pin passes whoever signed it; another one is told which certificate it was, before any request."""
    async with voice_server(echo, health=Answer(200), tls=certificates.good) as server:
        url = f"https://{server.address}"
        good = await connect(url, Trust.of(fingerprint=certificates.fingerprint))
        assert len(server.requests) == 1
        bad = await connect(url, Trust.of(fingerprint="0" * 64))
        assert len(server.requests) == 1
    assert last(good) == ("http", "ok")
    assert last(bad) == ("tls", "pin_mismatch")
    assert certificates.fingerprint in bad.detail


async def test_plain_http_behind_wss() -> None:
    """Upstream's --ssl falls back to plain HTTP without a word."""
    refusal = b"HTTP/1.1 400 Bad Request\r\n\r\n"
    async with raw_server(refusal, refusal) as server:
        report = await connect(f"wss://{server.address}")
    assert last(report) == ("tls", "not_tls")
    assert report.verdict == "unreachable"
    assert f"http://{server.address}" in report.detail


async def test_a_server_that_hangs_up_during_tls() -> None:
    """Closed in the middle of the handshake."""
    async with raw_server(b"", b"") as server:
        report = await connect(f"wss://{server.address}")
    assert last(report) == ("tls", "closed")


async def test_a_server_that_never_shakes_hands() -> None:
    """It accepts and says nothing to the TLS greeting."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        report = await connect(f"wss://127.0.0.1:{listening.getsockname()[1]}", timeout_s=0.3)
    assert last(report) == ("tls", "timeout")


async def test_tls_behind_ws(certificates: Certificates) -> None:
    """The other way round: plain HTTP sent to a TLS port."""
    async with voice_server(echo, tls=certificates.good) as server:
        report = await connect(f"ws://{server.address}")
    assert last(report) in {("http", "closed"), ("http", "not_http")}
    assert "TLS" in report.detail


@pytest.mark.parametrize(
    ("raw", "outcome"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "not_http"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "not_http"),
        (b"", "closed"),
        (None, "timeout"),
    ],
)
async def test_something_else_than_http(raw: bytes | None, outcome: str) -> None:
    """A port of another service, or of a server that says nothing."""
    async with raw_server(raw) as server:
        report = await connect(f"http://{server.address}", timeout_s=0.3)
    assert last(report) == ("http", outcome)
    assert report.verdict == "unreachable"


@pytest.mark.parametrize(
    ("health", "outcome", "verdict"),
    [
        (Answer(200, {"state": "ready", "busy": 0, "capacity": 1}), "ok", "reachable"),
        (Answer(301, headers={"Location": "https://elsewhere.example/"}), "redirect", "unreachable"),
        (Answer(502, "<html>Bad gateway</html>"), "bad_gateway", "unreachable"),
        (Answer(503, "no available server"), "bad_gateway", "unreachable"),
        (Answer(504), "bad_gateway", "unreachable"),
        (Answer(500), "server_error", "unreachable"),
        (Answer(401), "unauthorized", "unauthorized"),
        (Answer(503, {"state": "loading", "progress": 0.4}), "loading", "loading"),
        (Answer(503, {"state": "failed", "reason": "out of memory"}), "failed", "rejected"),
        (Answer(503, {"state": "draining"}), "draining", "busy"),
        (Answer(200, {"state": "ready", "busy": 1, "capacity": 1}), "busy", "busy"),
    ],
)
async def test_what_http_answers(health: Answer, outcome: str, verdict: str) -> None:
    """The answer to /health decides; nothing else is asked, so a bare server's shared prompt is safe."""
    async with voice_server(echo, health=health) as server:
        report = await connect(f"http://{server.address}")
    assert last(report) == ("http", outcome)
    assert report.verdict == verdict
    assert [request.path for request in server.requests] == ["/health"]


@pytest.mark.parametrize(
    ("chat", "outcome", "verdict", "words"),
    [
        (Answer(400, "No WebSocket UPGRADE hdr: None"), "ok", "reachable", "voice server without a gateway"),
        (Answer(426), "ok", "reachable", "voice server without a gateway"),
        (Answer(200, "<html>"), "ok", "reachable", "no gateway"),
        (Answer(404), "not_found", "rejected", "no voice server"),
        (Answer(401), "unauthorized", "unauthorized", "token"),
    ],
)
async def test_without_a_gateway_the_chat_path_is_asked(chat: Answer, outcome: str, verdict: str, words: str) -> None:
    """By a plain GET, which upstream refuses without touching its shared prompt."""
    async with voice_server(echo, chat=chat) as server:
        report = await connect(f"http://{server.address}")
    assert last(report) == ("http", outcome)
    assert report.verdict == verdict
    assert words in report.detail
    assert [request.path for request in server.requests] == ["/health", "/api/chat"]
    assert all("Upgrade" not in request.headers for request in server.requests)


async def test_proxy_variables_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe measures the endpoint, not a proxy."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    async with voice_server(echo) as server:
        assert (await connect(f"http://{server.address}")).is_ok


async def test_every_address_is_tried() -> None:
    """Localhost may be ::1 first; a server on 127.0.0.1 only is found all the same."""
    async with voice_server(echo) as server:
        report = await connect(f"http://localhost:{server.port}")
    assert report.is_ok


def test_the_tls_context_is_strict() -> None:
    """Without a pin or CA file nothing is skipped."""
    from plexctl.wire.trust import tls_context

    context = tls_context(SYSTEM)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
