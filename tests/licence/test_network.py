"""Time, and servers that are no Hub: whatever answers, the end comes in time, in words, with the network's code."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.cli.process import Plexctl
from tests.clouds.hub import Fault, Hub
from tests.licence.world import CANARY, ask, token

HTML = b"<html><body>Please log in to the hotel's network</body></html>"
OK = b"HTTP/1.1 200 OK\r\n"
COMMIT = b"X-Repo-Commit: " + b"a" * 40 + b'\r\nETag: "e"\r\n'
JSON = {"Content-Type": "application/json"}
STRANGE = {
    "a captive portal": Fault("", 200, {"Content-Type": "text/html"}, HTML),
    "a captive portal that says 401": Fault("HEAD", 511, {"Content-Type": "text/html"}, HTML),
    "a page where a file should be": Fault("HEAD", 200, {"Content-Type": "text/html"}, HTML),
    "JSON of another shape": Fault("", 200, JSON, b"[1, 2]"),
    "an error under 200": Fault("", 200, JSON, b'{"error": "not today"}'),
    "truncated JSON": Fault("", 200, JSON, b'{"name": "an'),
    "not even text": Fault("", 403, JSON, b"\xff\xfe\x00"),
    "deep JSON": Fault("", 200, JSON, b"[" * 100_000),
    "a redirect in circles": Fault("", 302, {"Location": "/again"}),
    "a redirect to nothing": Fault("", 302, {"Location": "http://"}),
    "a redirect elsewhere": Fault("", 302, {"Location": "ftp://127.0.0.1/x"}),
    "a redirect to a closed port": Fault("", 307, {"Location": "http://127.0.0.1:1/x"}),
    "huge headers": Fault("", raw=OK + b"X-Big: " + b"x" * 2_000_000 + b"\r\n\r\n"),
    "too many headers": Fault("", raw=OK + b"X: y\r\n" * 100_000 + b"\r\n"),
    "a length that is a lie": Fault("GET", raw=OK + COMMIT + b"Content-Length: 999\r\n\r\n{}"),
    "a length that is no number": Fault("", raw=OK + COMMIT + b"Content-Length: many\r\n\r\n"),
    "a length below zero": Fault("", raw=OK + COMMIT + b"Content-Length: -5\r\n\r\n"),
    "a length beyond reason": Fault("GET", raw=OK + b"Content-Length: 99999999999999\r\n\r\n{"),
    "no HTTP": Fault("", raw=b"SSH-2.0-OpenSSH_9.9\r\n"),
    "nothing": Fault("", raw=b""),
    "a cut connection": Fault("", reset=True),
    "bad compression": Fault("", 200, JSON | {"Content-Encoding": "gzip"}, b"no gzip"),
    "a commit that is none": Fault("HEAD", 200, {"X-Repo-Commit": "../../x", "ETag": '"e"'}),
}


@pytest.mark.parametrize("fault", STRANGE.values(), ids=list(STRANGE))
def test_what_is_no_hub_grants_nothing(fault: Fault, hub: Hub, plexctl: Plexctl) -> None:
    """No answer but a Hub's grants a licence or denies one: it ends with a network's or Hub's code, no traceback."""
    hub.fail(fault)
    result = ask(plexctl, hub, "ann", "--timeout", "4s", "--json")
    if fault.pattern == "GET":
        assert result.data["state"] == "granted"
    else:
        assert result.document["error"]["code"] in {"hub_failing", "hub_unreachable", "hub_slow", "hub_refused"}, (
            result.document
        )


@pytest.mark.parametrize(
    ("headers", "body"),
    [({}, b" " * 20_000_000), ({"Content-Encoding": "gzip"}, gzip.compress(bytes(200_000_000), 1))],
    ids=["a long answer", "an answer that unpacks to 200 MB"],
)
def test_an_answer_beyond_reason_is_not_taken_in(
    headers: dict[str, str], body: bytes, hub: Hub, plexctl: Plexctl
) -> None:
    """A body far larger than any of the Hub's, or one that would unpack to that, is refused unread."""
    hub.fail(Fault("GET", 200, JSON | headers, body))
    found = ask(plexctl, hub, "ann", "--json").data["findings"]
    warned = [finding["message"] for finding in found if finding["level"] == "warn"]
    assert len([message for message in warned if "NotAHubError" in message]) == 2


def test_a_server_that_repeats_the_token_is_not_repeated(hub: Hub, plexctl: Plexctl) -> None:
    """A token that comes back in a message, a name or a list of files is blotted out, as are a terminal's controls."""
    echoed = f"Bearer {token('ann')} \x1b[2J"
    hub.fail(Fault("HEAD", 403, {"X-Error-Message": f"you sent Bearer {token('ann')} \x1b[2J"}))
    result = ask(plexctl, hub, "ann")
    assert (result.rc, "you sent Bearer ***" in result.stderr, "\x1b" in result.stderr) == (4, True, False)
    hub.faults.clear()
    hub.fail(Fault("whoami", 200, JSON, b'{"name": "' + echoed.replace("\x1b", "\\u001b").encode() + b'"}'))
    for mode in ((), ("--json",)):
        assert "Bearer ***" in ask(plexctl, hub, "ann", *mode).stdout


@pytest.mark.alone
def test_two_slow_answers_cost_the_time_of_one(hub: Hub, plexctl: Plexctl) -> None:
    """Two answers of 2 s each cost less than 3 s more than none: what is read is read side by side."""
    begun = time.monotonic()
    ask(plexctl, hub, "ann")
    without_s = time.monotonic() - begun
    hub.fail(Fault("resolve/main", delay_s=2))
    begun = time.monotonic()
    result = ask(plexctl, hub, "ann")
    assert result.rc == 0
    assert 2 <= time.monotonic() - begun < 3 + without_s
    slow = [seen.path for seen in hub.requests if "resolve/main" in seen.path]
    assert len(slow) == 4


@contextmanager
def black_hole() -> Iterator[str]:
    """Give the address of a port that lets nobody in: its queue is full, and nobody accepts."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.settimeout(0)
            one.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        for one in waiting:
            one.close()


@pytest.mark.alone
@pytest.mark.parametrize("who", ["ann", None])
def test_without_a_network_an_answer_comes_within_5_s(who: str | None, plexctl: Plexctl) -> None:
    """Where packets vanish, the network's own code comes within 5 s: it is not slow, and not a refusal."""
    with black_hole() as url:
        begun = time.monotonic()
        result = ask(plexctl, None, who, "--json", env={"HF_ENDPOINT": url})
    assert time.monotonic() - begun < 5
    assert (result.rc, result.document["error"]["code"]) == (8, "hub_unreachable")
    assert f"no connection to {url} within 3 s" in result.document["error"]["message"]


@pytest.mark.alone
def test_a_dripping_answer_ends_in_time(hub: Hub, plexctl: Plexctl) -> None:
    """A server that sends a byte now and then, and so never times out, is given up when the time is over."""
    hub.fail(Fault("", raw=OK * 1000, drip_s=0.2))
    begun = time.monotonic()
    result = ask(plexctl, hub, "ann", "--timeout", "2s", "--json")
    assert time.monotonic() - begun < 5
    assert result.document["error"]["code"] == "hub_slow"


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [
        ("http://hub.example.com", "unencrypted"),
        ("http://10.0.0.1", "unencrypted"),
        ("ftp://127.0.0.1", "no address"),
        ("https://", "no address"),
        ("http://127.0.0.1:99999", "no address"),
        ("nonsense", "no address"),
        (f"https://ann:{CANARY}@huggingface.co", "password"),
        (f"https://huggingface.co/?token={CANARY}", "no address"),
    ],
)
def test_a_token_is_not_sent_in_the_clear(endpoint: str, words: str, plexctl: Plexctl) -> None:
    """HF_ENDPOINT is https, or http on this machine; anything else is refused before anything is sent."""
    result = ask(plexctl, None, "ann", "--json", env={"HF_ENDPOINT": endpoint})
    assert (result.rc, result.document["error"]["code"]) == (3, "configuration")
    assert words in result.document["error"]["message"]


def test_loopback_is_said(hub: Hub, plexctl: Plexctl) -> None:
    """An unencrypted Hub on this machine is asked, and said so."""
    assert f"warn: the Hub is {hub.url} (HF_ENDPOINT), unencrypted" in ask(plexctl, hub, "ann").stderr


def test_the_token_goes_to_the_hub_only(hub: Hub, plexctl: Plexctl) -> None:
    """The storage that the Hub redirects to is neither asked nor given the token."""
    ask(plexctl, hub, "ann")
    assert hub.stored == []
    assert {seen.token for seen in hub.requests} == {token("ann")}


@pytest.mark.parametrize("debug", [{"HF_DEBUG": "1"}, {"HF_HUB_VERBOSITY": "debug"}], ids=str)
def test_debugging_the_library_shows_no_token(debug: dict[str, str], hub: Hub, plexctl: Plexctl) -> None:
    """huggingface_hub's own logging, at its most talkative, shows no token either."""
    assert ask(plexctl, hub, "ann", env=debug).rc == 0


def test_a_hubs_warning_is_not_passed_on(hub: Hub, plexctl: Plexctl) -> None:
    """X-HF-Warning, which the library would print unescaped, does not reach the terminal."""
    hub.fail(Fault("whoami", 500, {"X-HF-Warning": "topic; \x1b[2Jwarning"}))
    assert "warning" not in ask(plexctl, hub, "ann").stderr
