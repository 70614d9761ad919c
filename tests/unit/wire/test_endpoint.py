"""A URL is taken apart, and every mistake in one is a UsageError that names the fix."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexctl.errors import UsageError
from plexctl.wire import Endpoint


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8998", "http://127.0.0.1:8998/api/chat"),
        ("ws://h:80/", "http://h/api/chat"),
        ("wss://h.example", "https://h.example/api/chat"),
        ("https://H.Example:8443/ws/chat?a=b#top", "https://h.example:8443/ws/chat?a=b"),
        ("localhost:8998", "http://localhost:8998/api/chat"),
        ("127.0.0.1", "http://127.0.0.1/api/chat"),
        ("[::1]:8998", "http://[::1]:8998/api/chat"),
        ("::1", "http://[::1]/api/chat"),
        ("host.example:9000/x", "https://host.example:9000/x"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]/api/chat"),
        ("https://bücher.example", "https://xn--bcher-kva.example/api/chat"),
    ],
)
def test_urls_are_understood(url: str, expected: str) -> None:
    """Schemes, bare hosts, IPv6, default ports and paths."""
    assert Endpoint.parse(url, default_path="/api/chat").url() == expected


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "not a URL"),
        ("http://a b", "not a URL"),
        ("ftp://host", "begin with ftp"),
        ("http://", "no host"),
        ("http://h:99999", "not a port"),
        ("http://h:x", "not a port"),
        ("http://h:0", "not a port"),
        ("http://me:secret@h", "user name or password"),
        ("http://h/?token=secret", "no token"),
        ("http://[::1", "not a URL"),
        ("http:///?token=secret", "no host"),
        ("http://h:x/?token=secret", "not a port"),
        ("h h?token=secret", "not a URL"),
        ("http://me:secret@[::1", "not a URL"),
        ("http://" + "x" * 300, "too long"),
    ],
)
def test_mistakes_are_named_with_a_fix(url: str, words: str) -> None:
    """The message says what is wrong, the hint what to write, and no secret is repeated."""
    with pytest.raises(UsageError, match=words) as caught:
        Endpoint.parse(url)
    assert caught.value.hint
    assert "secret" not in caught.value.message


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_a_usage_error(url: str) -> None:
    """Nothing a user types makes it raise anything else."""
    with contextlib.suppress(UsageError):
        assert Endpoint.parse(url).host


def test_websocket_urls_keep_their_security() -> None:
    """Ws for http, wss for https."""
    assert Endpoint.parse("https://h").url(is_websocket=True) == "wss://h/"
    assert Endpoint.parse("http://h").url(is_websocket=True) == "ws://h/"
