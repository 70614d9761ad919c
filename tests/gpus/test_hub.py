from __future__ import annotations

import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest
from tests.clouds.hub import Content, Fault, Hub, Seen, personaplex
from tests.gpus.shapes import entries, header

from plexctl.errors import ConfigurationError, CredentialsError, LicenceError, PlexError, ProviderError
from plexctl.gpus import PERSONAPLEX_7B, read_checkpoint
from plexctl.gpus.hub import FIRST_BYTES
from plexctl.secret import Secret

REPO = "nvidia/personaplex-7b-v1"
TRUE = header(entries())
SIZE = len(TRUE) + PERSONAPLEX_7B.weight_bytes
CANARY = "hf_canary_5b1e"


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Give a Hub with the 7B model behind its gate, and one account that passed it."""
    with Hub() as one:
        one.add_token(CANARY, "ann")
        repository = personaplex(one, access={"ann": "granted"})
        repository.files["model.safetensors"] = Content(SIZE, TRUE)
        yield one


def read(hub: Hub, repo: str = REPO, token: str | None = CANARY, revision: str | None = None) -> object:
    """Read a checkpoint from the loopback Hub."""
    return read_checkpoint(repo, revision, None if token is None else Secret(token), endpoint=hub.url)


def asked(seen: Seen) -> int:
    """Return how many bytes a request's Range asks for."""
    match = re.fullmatch(r"bytes=(\d+)-(\d+)", seen.headers["range"])
    assert match, seen.headers
    return int(match[2]) - int(match[1]) + 1


def test_the_7b_model_costs_one_request_of_64_kib(hub: Hub) -> None:
    """Of 16.7 GB only the header is read, with the token at the Hub and none at its storage."""
    assert read(hub) == replace(PERSONAPLEX_7B, source=f"model.safetensors of {REPO}")
    (weights,) = hub.stored
    assert asked(weights) == FIRST_BYTES
    assert "authorization" not in weights.headers
    assert {seen.token for seen in hub.requests} == {CANARY}


def test_a_longer_header_takes_one_more_request(hub: Hub) -> None:
    """Only what is missing is asked for, to the byte."""
    described = entries()
    described["__metadata__"] = {"note": "x" * 300_000}
    long = header(described)
    hub.add_repository("ann/tuned", {"model.safetensors": Content(SIZE, long)})
    assert read(hub, "ann/tuned", token=None) == replace(PERSONAPLEX_7B, source="model.safetensors of ann/tuned")
    assert [asked(seen) for seen in hub.stored] == [FIRST_BYTES, len(long) - FIRST_BYTES]


def test_a_fine_tune_of_another_dtype_and_context_is_weighed(hub: Hub) -> None:
    """Dtypes and shapes come from its header, the KV cache from its config.json, at the revision asked for."""
    files: dict[str, bytes | Content] = {
        "model.safetensors": Content(SIZE, header(entries("I8"))),
        "config.json": b'{"context": 1500}',
    }
    hub.add_repository("ann/small", files, refs={"main": "a" * 40, "v2": "b" * 40})
    found = read_checkpoint("ann/small", "v2", endpoint=hub.url)
    assert found.weight_bytes * 2 == PERSONAPLEX_7B.weight_bytes
    assert found.kv_bytes * 2 == PERSONAPLEX_7B.kv_bytes
    assert found.source == "model.safetensors of ann/small@v2"


@pytest.mark.parametrize(
    ("repo", "token", "revision", "error", "words"),
    [
        (REPO, None, None, LicenceError, "may not be read"),
        (REPO, "hf_stranger", None, LicenceError, "may not be read"),
        (REPO, "hf_wrong", None, CredentialsError, "refused the token"),
        ("nobody/nothing", CANARY, None, ConfigurationError, "has no model.safetensors"),
        (REPO, CANARY, "nowhere", ConfigurationError, "at nowhere"),
        ("ann/empty", CANARY, None, ConfigurationError, "has no model.safetensors"),
        ("ann/page", CANARY, None, ConfigurationError, "header would have"),
        ("ann/config", CANARY, None, ConfigurationError, "config.json of ann/config is no JSON"),
        ("a/b/c", CANARY, None, ConfigurationError, "no name of a repository"),
    ],
)
def test_what_cannot_be_read_is_said(
    hub: Hub, repo: str, token: str | None, revision: str | None, error: type[PlexError], words: str
) -> None:
    """Each refusal is its own error in words, without the token, and with the next step."""
    hub.add_token("hf_stranger", "bob")
    hub.add_repository("ann/empty", {"README.md": b"#"})
    hub.add_repository("ann/page", {"model.safetensors": b"<!DOCTYPE html><html></html>"})
    hub.add_repository("ann/config", {"model.safetensors": Content(SIZE, TRUE), "config.json": b"{"})
    with pytest.raises(error, match=words) as caught:
        read(hub, repo, token, revision)
    assert caught.value.hint
    assert not token or token not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=500),
        Fault(status=429),
        Fault(reset=True),
        Fault(raw=b"HTTP/1.1 302 Found\r\nLocation: ://\r\n\r\n"),
    ],
    ids=["500", "429", "reset", "strange redirect"],
)
def test_a_failing_hub_is_the_hubs_failure(hub: Hub, fault: Fault) -> None:
    """Errors, cut connections and nonsense are a ProviderError, not a traceback."""
    hub.fail(fault)
    with pytest.raises(ProviderError, match="the Hub"):
        read(hub)


def test_a_hub_that_is_not_there_is_said() -> None:
    """A refused connection names the network and HF_ENDPOINT."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(ProviderError) as caught:
        read_checkpoint(REPO, endpoint=f"http://127.0.0.1:{port}")
    assert "HF_ENDPOINT" in (caught.value.hint or "")


class Deaf:
    """A server that ignores ranges and sends the whole file, as long as anybody takes it."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self.sent = 0
        self.requests: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, suppress(OSError):
                    self._answer(client)

    def _answer(self, client: socket.socket) -> None:
        request = client.recv(65536)
        self.requests.append(request)
        if b"config.json" in request:
            client.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        client.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\nConnection: close\r\n\r\n".encode())
        client.sendall(TRUE)
        while True:
            self.sent += client.send(bytes(1 << 16))


@contextmanager
def deaf() -> Iterator[tuple[str, Deaf]]:
    """Run such a server."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", Deaf(listener)
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_ignores_ranges_is_not_read_to_its_end() -> None:
    """It would send 16.7 GB: the connection is closed after the header; the rest is what sockets had buffered."""
    with deaf() as (url, server):
        found = read_checkpoint(REPO, endpoint=url)
    assert found.parameters == PERSONAPLEX_7B.parameters
    assert server.sent < 32 << 20
