"""Each documented answer of the gateway, from the real process: one file, since they share two gateways."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.gateway.rig import TOKEN, Gateway, running
from tests.gateway.wire import Wire, audio, frame

pytestmark = pytest.mark.asyncio(loop_scope="module")

FOREIGN = {"Origin": "https://evil.example"}
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guarded() -> AsyncIterator[Gateway]:
    """Give a gateway with a token, on every address."""
    async with running(PLEXCTL_TOKEN=TOKEN, PLEXCTL_HOST="0.0.0.0", PLEXCTL_DEPLOYMENT="demo") as one:
        yield one


async def test_livez_and_health_need_no_token(guarded: Gateway) -> None:
    """Health has every documented field, says ready with 200 and shows no secret."""
    async with guarded.session.get(f"{guarded.url}/livez") as answer:
        assert answer.status == 200
    async with guarded.session.get(f"{guarded.url}/health") as answer:
        assert answer.status == 200
        text = await answer.text()
    document = json.loads(text)
    assert document.pop("version")
    assert document == {
        "state": "ready",
        "phase": "ready",
        "progress": 1.0,
        "engines": 1,
        "busy": 0,
        "capacity": 1,
        "deployment": "demo",
        "reason": None,
        "cause": None,
        "bytes_done": None,
        "bytes_total": None,
        "bytes_per_second": None,
        "seconds_left": None,
    }
    assert TOKEN not in text


async def test_voices_are_the_eighteen_with_the_default(guarded: Gateway) -> None:
    """The list has upstream's names and the default is one of them."""
    async with guarded.session.get(f"{guarded.url}/voices") as answer:
        document = await answer.json()
    assert len(document["voices"]) == 18
    assert document["default"] in document["voices"]


@pytest.mark.parametrize("path", ["/metrics", "/logs", "/api/chat", "/ws/chat"])
async def test_guarded_addresses_ask_for_the_token(guarded: Gateway, path: str) -> None:
    """Without the token, or with a wrong one in any place, the answer is 401 and says how to come in."""
    for query, headers in (
        ("", {}),
        ("?token=wrong", {}),
        ("?token=", {}),
        ("", {"Authorization": "Bearer wrong"}),
        ("", {"Authorization": f"Basic {TOKEN}"}),
        ("", {"Cookie": "plexctl_session=wrong"}),
        ("", {"Cookie": f"plexctl_session={TOKEN}"}),
        (f"?token={TOKEN}&token=wrong", {}),
        (f"?token={TOKEN}x", {}),
    ):
        async with guarded.session.get(guarded.url + path + query, headers=headers) as answer:
            assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, 'Bearer realm="plexctl"'), query


async def test_the_token_opens_by_header_and_by_query(guarded: Gateway) -> None:
    """Both ways lead in; metrics are Prometheus text, logs plain text."""
    async with guarded.session.get(f"{guarded.url}/metrics", headers=BEARER) as answer:
        assert answer.status == 200
        assert "plexctl_capacity 1.0" in await answer.text()
    async with guarded.session.get(f"{guarded.url}/logs?tail=2&token={TOKEN}") as answer:
        assert answer.content_type == "text/plain"
        assert len((await answer.text()).splitlines()) == 2


async def test_the_login_cookie_opens_and_is_not_the_token(guarded: Gateway) -> None:
    """The form sets an HttpOnly, SameSite=Strict cookie that lets the browser in and does not hold the token."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(f"{guarded.url}/") as answer:
            assert answer.url.path == "/login"
            assert "Access token" in await answer.text()
        async with browser.post(f"{guarded.url}/login", data={"token": "wrong"}) as answer:
            assert answer.status == 401
        async with browser.post(f"{guarded.url}/login", data={"token": TOKEN}, headers=FOREIGN) as answer:
            assert answer.status == 403
        async with browser.post(f"{guarded.url}/login", data={"token": TOKEN}, allow_redirects=False) as answer:
            cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert TOKEN not in cookie
        async with browser.get(f"{guarded.url}/") as answer:
            assert "Talk" in await answer.text()
            assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        async with browser.ws_connect(f"{guarded.url}/ws/chat", origin=guarded.url) as call:
            assert (await call.receive()).data == b"\x00"
        async with browser.get(f"{guarded.url}/api/chat", headers=FOREIGN) as answer:
            assert answer.status == 403
    await guarded.idle()


async def test_the_token_is_in_no_log_line(guarded: Gateway) -> None:
    """Not from a query, not from a header, not from the engine's environment."""
    async with guarded.session.get(f"{guarded.url}/logs?tail=2000&token={TOKEN}") as answer:
        assert TOKEN not in await answer.text()
    assert not any(TOKEN in line for line in guarded.lines)
    for pid in guarded.engine_pids():
        with open(f"/proc/{pid}/environ", "rb") as environ:  # noqa: ASYNC230, PTH123 - a file in memory
            assert TOKEN.encode() not in environ.read()


async def test_a_broken_request_does_not_bring_the_token_into_the_log(guarded: Gateway) -> None:
    """Errors of aiohttp quote the request they are about; none of that is written down."""
    for rest in ("x" * 20_000 + " HTTP/1.1\r\n\r\n", " HTTP/nonsense\r\n\r\n", "\x01 HTTP/1.1\r\nbad header\r\n\r\n"):
        wire = await Wire.connect(guarded.port)
        status, _ = await wire.request(f"GET /api/chat?token={TOKEN}{rest}")
        assert status == 400
        await wire.close()
    async with guarded.session.get(f"{guarded.url}/logs?tail=2000", headers=BEARER) as answer:
        text = await answer.text()
    assert "token=" not in text
    assert not any("token=" in line for line in guarded.lines)


async def test_a_foreign_page_with_the_token_itself_may_talk(guarded: Gateway) -> None:
    """A token given by the caller is no ambient authority: the origin then does not matter."""
    async with guarded.call(f"?token={TOKEN}", headers=FOREIGN) as call:
        assert (await call.receive()).data == b"\x00"
    await guarded.idle()


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("voice_prompt=NOPE.pt", "voice_prompt"),
        ("voice_prompt=", "voice_prompt"),
        ("voice_prompt=NATF2", "voice_prompt"),
        ("voice_prompt=../NATF2.pt", "voice_prompt"),
        ("voice_prompt=..%2f..%2fetc%2fpasswd", "voice_prompt"),
        ("voice_prompt=%2fetc%2fhostname", "voice_prompt"),
        ("voice_prompt=NATF2.pt%00", "voice_prompt"),
        ("voice_prompt=%5c..%5cNATF2.pt", "voice_prompt"),
        ("text_prompt=", "text_prompt"),
        ("text_prompt=%20%20", "text_prompt"),
        ("text_prompt=a%00b", "text_prompt"),
        ("text_prompt=" + "x" * 1001, "text_prompt"),
        ("text_prompt=" + "%E2%98%83" * 900, "text_prompt"),
        ("text_prompt=a&text_prompt=b", "text_prompt"),
        ("voice_prompt=NATF2.pt&voice_prompt=NATM1.pt", "voice_prompt"),
    ],
)
async def test_unusable_parameters_are_refused_in_words(shared: Gateway, query: str, words: str) -> None:
    """The answer is 400 and names the parameter, with and without an upgrade; no place is taken."""
    async with shared.session.get(f"{shared.url}/api/chat?{query}") as answer:
        assert answer.status == 400
        assert words in (await answer.json())["reason"]
    wire = await Wire.connect(shared.port)
    assert await wire.upgrade(f"/api/chat?{query}") == 400
    await wire.close()


@pytest.mark.parametrize("path", ["/api/chat", "/ws/chat"])
async def test_a_plain_get_of_a_free_gateway_is_426(shared: Gateway, path: str) -> None:
    """Whoever asks without an upgrade is told what this address speaks."""
    async with shared.session.get(shared.url + path) as answer:
        assert answer.status == 426
        assert answer.headers["Upgrade"] == "websocket"


@pytest.mark.parametrize(
    "prompt", ["x" * 1000, "\N{SNOWMAN}" * 860, "\N{CYRILLIC SMALL LETTER ZHE}" * 1000, "two\nlines & a = sign + plus"]
)
async def test_voice_and_prompt_reach_the_engine_as_they_were_given(shared: Gateway, prompt: str) -> None:
    """The engine sees exactly this caller's words."""
    async with shared.session.ws_connect(
        f"{shared.url}/ws/chat", params={"voice_prompt": "VARM3.pt", "text_prompt": prompt}
    ) as call:
        assert (await call.receive()).data == b"\x00"
        assert (await call.receive()).data.decode()[1:] == f"voice=VARM3.pt prompt={prompt}"


async def test_missing_parameters_get_the_defaults(shared: Gateway) -> None:
    """Both parameters may be left out, and unknown ones are ignored."""
    async with shared.call("?audio_topk=250&whatever=1") as call:
        await call.receive()
        assert (await call.receive()).data.startswith(b"\x02voice=NATF2.pt prompt=You ")


async def test_seed_is_dropped_and_said_so(shared: Gateway) -> None:
    """`seed=1` kills upstream's connection; here the conversation goes on without it."""
    wire = await Wire.connect(shared.port)
    _, head = await wire.request(
        "GET /api/chat?seed=1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    assert b"X-Plexctl-Ignored: seed" in head
    await wire.handshake()
    await wire.close()


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://evil.example:80", "http://localhost:1"])
async def test_an_open_gateway_refuses_foreign_pages(shared: Gateway, origin: str) -> None:
    """A page of another site cannot talk to an open gateway on this machine."""
    wire = await Wire.connect(shared.port)
    assert await wire.upgrade("/api/chat", f"Origin: {origin}\r\n") == 403
    await wire.close()


async def test_a_name_pointed_at_the_loopback_is_foreign(shared: Gateway) -> None:
    """DNS rebinding: Origin and Host agree, but neither is a loopback name."""
    wire = await Wire.connect(shared.port)
    status, _ = await wire.request(
        "GET /api/chat HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n"
    )
    assert status == 403
    await wire.close()


async def test_an_own_page_may_talk(shared: Gateway) -> None:
    """The gateway's own page gets in."""
    async with shared.call(origin=shared.url) as call:
        assert (await call.receive()).data == b"\x00"


async def test_huge_request_lines_and_headers_are_refused(shared: Gateway) -> None:
    """A prompt of 1 MB in the address is refused with 400 or 414 before anything looks at it."""
    for request in (
        f"GET /api/chat?text_prompt={'x' * 1_000_000} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET /api/chat HTTP/1.1\r\nHost: x\r\nX-Big: {'x' * 1_000_000}\r\n\r\n",
    ):
        wire = await Wire.connect(shared.port)
        status, _ = await wire.request(request)
        assert status in (400, 414, 431)
        await wire.close()


async def test_early_headers_are_kept_and_early_sound_is_dropped(shared: Gateway) -> None:
    """Header pages sent with the upgrade reach the engine first; sound from before the handshake does not."""
    from tests.gateway.wire import page

    wire = await shared.wire()
    heads = [page(body=b"OpusHead" + bytes(11)), page(body=b"OpusTags" + bytes(8))]
    early = [frame(2, b"\x01" + heads[0]), frame(2, b"\x01" + heads[1] + page(serial=1)), frame(2, audio(serial=2))]
    wire.send(b"".join(early))
    await wire.handshake()
    wire.send(frame(2, audio(serial=3)))
    heard = [(await wire.frame()).payload for _ in range(3)]
    # Echo's handshake is fast: what came after it may rightly have passed.
    assert heard[0][1:] in heads or heard[0][1:].startswith(heads[0])
    await wire.close()


async def test_other_kinds_are_ignored(shared: Gateway) -> None:
    """Control, metadata, error, ping and handshake messages of a caller go nowhere and end nothing."""
    wire = await shared.wire()
    await wire.handshake()
    wire.send(b"".join(frame(2, bytes([kind]) + b"x") for kind in (0, 2, 3, 4, 5, 6)) + frame(2, audio()))
    assert (await wire.frame()).payload == audio()
    await wire.close()


async def test_malformed_messages_end_it_after_a_hundred(shared: Gateway) -> None:
    """A hundred empty or unknown messages are borne, the next one ends the conversation with 1008."""
    wire = await shared.wire()
    await wire.handshake()
    wire.send(frame(2) * 50 + frame(2, b"\x07") * 50 + frame(2, audio()))
    assert (await wire.frame()).payload == audio()
    wire.send(frame(2, b"\xff"))
    close = await wire.until_close()
    assert (close.close_code, close.reason) == (1008, "malformed messages")
    await wire.close()


async def test_a_folder_of_ones_own_is_served_and_nothing_beside_it(tmp_path: Path) -> None:
    """PLEXCTL_STATIC puts another page in place of ours, behind the same token, and shows no other file."""
    folder = tmp_path / "page"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("upstream's page")
    (folder / "assets" / "app.js").write_text("1")
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    async with running(PLEXCTL_STATIC=str(folder), PLEXCTL_TOKEN=TOKEN) as gateway:
        expected = {
            f"/?token={TOKEN}": 200,
            f"/assets/app.js?token={TOKEN}": 200,
            "/assets/app.js": 401,
            f"/nothing?token={TOKEN}": 404,
            f"/assets?token={TOKEN}": 404,
            f"/link?token={TOKEN}": 404,
            f"/..%2fsecret?token={TOKEN}": 404,
            f"/%2e%2e/secret?token={TOKEN}": 404,
            f"//etc/passwd?token={TOKEN}": 404,
        }
        for path, status in expected.items():
            wire = await Wire.connect(gateway.port)
            got, _ = await wire.request(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
            assert got == status, path
            await wire.close()
