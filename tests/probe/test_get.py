"""`get` and `fetch` give any HTTP answer as it is, bounded, and name what stood in the way of one."""

from __future__ import annotations

import asyncio

import pytest
from tests.probe.servers import Answer, echo, raw_server, voice_server

from plexctl.errors import UsageError
from plexctl.secret import Secret
from plexctl.wire import WireError, fetch, get


async def test_an_answer_is_given_as_it_is() -> None:
    """Status, headers in lower case, body; the token in its header."""
    async with voice_server(echo, health=Answer(503, {"state": "loading"}, {"Retry-After": "5"})) as server:
        answer = await get(f"http://{server.address}/health", token=Secret("t0ken"))
        assert server.requests[0].headers["Authorization"] == "Bearer t0ken"
    assert answer.status == 503
    assert answer.json() == {"state": "loading"}
    assert answer.headers["retry-after"] == "5"
    assert not answer.is_cut


async def test_without_an_event_loop() -> None:
    """`fetch` is for callers in plain functions."""
    async with voice_server(echo, health=Answer(200, {"state": "ready"})) as server:
        answer = await asyncio.to_thread(fetch, f"http://{server.address}/health")
    assert answer.json() == {"state": "ready"}


@pytest.mark.parametrize(
    ("raw", "size", "is_cut"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 3_000_000, 1024 * 1024, True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", 4, True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n\r\n", 4, False),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n", 0, False),
        (b"HTTP/1.0 200 OK\r\n\r\nold", 3, False),
    ],
)
async def test_bodies_are_bounded(raw: bytes, size: int, *, is_cut: bool) -> None:
    """Long, cut off, chunked, absent, and of HTTP/1.0."""
    async with raw_server(raw, raw) as server:
        answer = await get(f"http://{server.address}/")
    assert (len(answer.body), answer.is_cut) == (size, is_cut)
    assert answer.json() is None


@pytest.mark.parametrize(("raw", "outcome"), [(b"", "closed"), (b"rubbish\r\n\r\n", "not_http"), (None, "timeout")])
async def test_no_answer_is_named(raw: bytes | None, outcome: str) -> None:
    """Stage and outcome are attributes, and exit code 9 if nobody catches it."""
    async with raw_server(raw, raw) as server:
        with pytest.raises(WireError) as caught:
            await get(f"http://{server.address}/", timeout_s=0.3)
    assert (caught.value.stage, caught.value.outcome) == ("http", outcome)
    assert caught.value.exit_code == 9


async def test_endless_headers_are_refused() -> None:
    """A head that never ends does not grow memory."""
    async with raw_server(b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200_000) as server:
        with pytest.raises(WireError) as caught:
            await get(f"http://{server.address}/health")
    assert caught.value.outcome == "not_http"


async def test_a_bad_url_is_the_users_mistake() -> None:
    """Before anything is opened."""
    with pytest.raises(UsageError):
        await get("ftp://host")


async def test_a_token_that_is_no_header_value_is_the_users_mistake() -> None:
    """A line break in a token would be another header; the error does not repeat it."""
    async with voice_server(echo) as server:
        with pytest.raises(UsageError, match="token") as caught:
            await get(f"http://{server.address}/", token=Secret("canary\r\nX: y"))
    assert "canary" not in str(caught.value)
