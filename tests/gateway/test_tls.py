"""The gateway with TLS of its own: the one certificate it told of, the same conversations, and hostile callers."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from aiohttp import web
from tests.gateway.rig import TOKEN, Gateway, refused, running
from tests.gateway.test_hostile import Talker
from tests.gateway.wire import Wire, audio, frame
from tests.images.rig import PLAIN

from plexctl.gateway.certificate import self_signed
from plexctl.gateway.tls import TlsSite
from plexctl.images import PROFILES, context_files
from plexctl.probe import ProbeOptions, probe
from plexctl.secret import Secret
from plexctl.wire import Trust

MAX_GROWTH_KIB = 50 * 1024
MAX_PER_CALLER_KIB = 128
"""asyncio's own buffer would take 256 more."""
MAX_GAP_S = 1.0
"""500 handshakes are work, and the machine may be busy with other tests."""
BURST = """
import asyncio, ssl, sys
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
async def ask():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]), ssl=context)
    writer.write(b"GET /api/chat HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")
    status = (await reader.readuntil(b"\\r\\n")).split()[1].decode()
    writer.transport.abort()
    return status
async def main():
    print(*await asyncio.gather(*(ask() for _ in range(500))))
asyncio.run(main())
"""
HELLO = "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n"


def secure(**variables: str) -> contextlib.AbstractAsyncContextManager[Gateway]:
    """Run a ready gateway with TLS of its own."""
    return running(PLEXCTL_TLS="self-signed", **variables)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def shared() -> AsyncIterator[Gateway]:
    """Give one with many places and a token, for the tests that change nothing about it."""
    async with secure(PLEXCTL_ENGINE_CAPACITY="600", PLEXCTL_TOKEN=TOKEN, PLEXCTL_HEARTBEAT_S="2") as one:
        yield one


def certificate_of(gateway: Gateway) -> str:
    """Return the SHA-256 of the certificate that a stranger is shown."""
    pem = ssl.get_server_certificate(("127.0.0.1", gateway.port))
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


@pytest.mark.asyncio(loop_scope="module")
async def test_the_first_line_tells_of_the_certificate_that_is_served(shared: Gateway) -> None:
    """One line, before the gateway listens, by which plexctl knows it; the address says https."""
    served = await asyncio.to_thread(certificate_of, shared)
    assert shared.fingerprints == [served]
    assert shared.lines[0] == f"plexctl: tls sha256:{served}"
    assert "https://127.0.0.1:" in shared.lines[1]


@pytest.mark.asyncio(loop_scope="module")
async def test_plexctl_talks_to_that_certificate_and_to_no_other(shared: Gateway) -> None:
    """A probe with the pin hears its voice; with another pin it ends before anything is sent, the token above all."""
    options = ProbeOptions(
        url=shared.url, token=Secret(TOKEN), trust=Trust.of(fingerprint=f"sha256:{shared.fingerprints[0]}"), seconds=0.5
    )
    report = await probe(options)
    assert (report.verdict, report.stages[2].detail) == ("talking", "TLSv1.3")
    other = ProbeOptions(url=shared.url, token=Secret(TOKEN), trust=Trust.of(fingerprint="0" * 64), seconds=0.5)
    stage = (await probe(other)).stages[-1]
    assert (stage.name, stage.outcome) == ("tls", "pin_mismatch")


@pytest.mark.asyncio(loop_scope="module")
async def test_the_login_cookie_is_for_tls_only(shared: Gateway) -> None:
    """`Secure`, whatever a proxy's header says."""
    form = {"token": TOKEN}
    headers = {"X-Forwarded-Proto": "http"}
    url = f"{shared.url}/login"
    async with shared.session.post(url, data=form, headers=headers, allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.cookies["plexctl_session"]["secure"]


@pytest.mark.asyncio(loop_scope="module")
async def test_the_images_own_health_check_speaks_tls(shared: Gateway, tmp_path: Path) -> None:
    """With the container's own variables it finds the gateway ready."""
    program = tmp_path / "healthcheck.py"
    program.write_text(context_files(PLAIN, PROFILES["cu121"])["healthcheck.py"])
    checking = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", str(program)),
        env={"PLEXCTL_TLS": "self-signed", "PLEXCTL_PORT": str(shared.port)},
        stdout=asyncio.subprocess.PIPE,
    )
    said, _ = await checking.communicate()
    assert (checking.returncode, said[:4]) == (0, b"200 ")


@pytest.mark.asyncio(loop_scope="module")
async def test_http_1_1_is_agreed_on_and_old_tls_refused(shared: Gateway) -> None:
    """ALPN is http/1.1 also for whoever would rather have h2; TLS 1.2 is spoken, what is older is not."""
    assert shared.context is not None
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2", "http/1.1"])
        context.minimum_version = context.maximum_version = version
        wire = await Wire.connect(shared.port, context)
        assert wire.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        await wire.close()
    assert self_signed().context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("garbage", [HELLO.encode(), bytes(64), b"\x16\x03\x01\xff\xff" + bytes(64), b"SSH-2.0-x\r\n"])
@pytest.mark.asyncio(loop_scope="module")
async def test_what_is_no_tls_is_hung_up_on(shared: Gateway, garbage: bytes) -> None:
    """Plain HTTP and garbage get no answer and an end without delay, and leave no line in the log."""
    before = len(shared.lines)
    wire = await Wire.connect(shared.port)
    wire.send(garbage)
    await wire.until_eof(limit_s=5)
    await wire.close()
    assert (await shared.health())["state"] == "ready"
    assert len(shared.lines) == before


@pytest.mark.asyncio(loop_scope="module")
async def test_a_caller_that_hangs_up_gives_its_place_back(shared: Gateway) -> None:
    """By a goodbye, which is answered and followed by TLS's own, by a cut, and by TLS's end alone."""
    for way in ("goodbye", "cut", "end"):
        wire = await shared.wire(f"?token={TOKEN}")
        await wire.handshake()
        wire.send(frame(2, audio()))
        assert (await wire.frame()).payload == audio()
        if way == "goodbye":
            wire.send(frame(8, b"\x03\xe8"))
            assert (await wire.until_close()).close_code == 1000
            await wire.until_eof()
        elif way == "cut":
            await wire.close()
        else:
            wire.writer.close()
        await shared.idle()
        await wire.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_caller_that_never_reads_is_dropped_and_costs_little(shared: Gateway) -> None:
    """What waits for it is counted through TLS: it loses its place, and memory stays where it was."""
    before = shared.rss_kib()
    wire = await shared.wire(f"?token={TOKEN}")
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    message = frame(2, audio(seconds=4.0)) * 50

    async def flood() -> None:
        while True:
            wire.send(message)
            await wire.writer.drain()

    flooding = asyncio.create_task(flood())
    await shared.idle(limit_s=20)
    assert shared.rss_kib() - before < MAX_GROWTH_KIB
    flooding.cancel()
    await asyncio.gather(flooding, return_exceptions=True)
    await wire.close()


@pytest.mark.asyncio(loop_scope="module")
async def test_500_connections_at_once_with_and_without_a_handshake(shared: Gateway) -> None:
    """500 that say nothing and 500 that ask cost little, and whoever talks meanwhile hears no long gap."""
    before = shared.rss_kib()
    wire = await shared.wire(f"?token={TOKEN}")
    await wire.handshake()
    talker = Talker(wire)
    talking = asyncio.create_task(talker.run())
    silent = [await Wire.connect(shared.port) for _ in range(500)]
    burst = (sys.executable, "-c", BURST, str(shared.port))
    callers = await asyncio.create_subprocess_exec(*burst, stdout=asyncio.subprocess.PIPE)
    answers, _ = await callers.communicate()
    assert answers.split() == [b"401"] * 500
    assert not talking.done(), talking
    growth, gap = shared.rss_kib() - before, talker.longest_gap_s
    talking.cancel()
    await asyncio.gather(talking, return_exceptions=True)
    for one in [*silent, wire]:
        await one.close()
    assert growth < 1000 * MAX_PER_CALLER_KIB, growth
    assert gap < MAX_GAP_S, gap


async def test_the_clock_ends_conversations_over_tls_too() -> None:
    """A caller is told of the session limit before it comes; one that answers no ping is dropped, and then cut off."""
    async with secure(PLEXCTL_ENGINE_CAPACITY="2", PLEXCTL_MAX_SESSION_S="2", PLEXCTL_HEARTBEAT_S="0.5") as gateway:

        async def talk() -> None:
            async with gateway.call() as call:
                told = await call.receive_bytes()
                while told[:1] != b"\x04":
                    told = await call.receive_bytes()
                assert json.loads(told[1:])["type"] == "session_ends"
                while not call.closed:
                    await call.receive()
                assert call.close_code == 1000

        async def freeze() -> None:
            wire = await gateway.wire()
            assert (await wire.until_close()).reason == "no answer to ping"
            with contextlib.suppress(ConnectionResetError):
                await wire.until_eof(limit_s=5)
            await wire.close()

        await asyncio.gather(talk(), freeze())
        await gateway.idle()


async def test_a_slow_handshake_is_given_up() -> None:
    """Whoever does not finish the handshake in its time is cut off, byte by byte or silent."""
    runner = web.AppRunner(web.Application())
    await runner.setup()
    with socket.create_server(("127.0.0.1", 0)) as bound:
        await TlsSite(runner, bound, self_signed().context, backlog=8, handshake_s=1).start()
        port = bound.getsockname()[1]
        silent, slow = await Wire.connect(port), await Wire.connect(port)
        slow.send(b"\x16\x03\x01")
        for wire in (silent, slow):
            with contextlib.suppress(ConnectionResetError):
                await wire.until_eof(limit_s=5)
            await wire.close()
        await runner.cleanup()


async def test_without_openssl_it_is_one_line_and_exit_code_3() -> None:
    """Never a gateway without TLS instead."""
    code, output = await refused(PLEXCTL_TLS="self-signed", PATH="/nowhere")
    assert (code, len(output.splitlines())) == (3, 1), output
    assert "PLEXCTL_TLS=self-signed needs the openssl command" in output
