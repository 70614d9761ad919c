"""HTTP answers, the gateway's JSON and close codes have their meanings."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexctl.probe.answers import close_means, health_means, quoted, upgrade_means
from plexctl.wire.exchange import Response


def answer(status: int, document: object = None, **headers: str) -> Response:
    """Make an answer with a JSON body."""
    return Response(status, headers, b"" if document is None else json.dumps(document).encode())


READY = {"state": "ready", "engines": 1, "capacity": 4}


@pytest.mark.parametrize(
    ("response", "outcome", "words"),
    [
        (answer(200, {**READY, "busy": 3}), "ok", "gateway ready"),
        (answer(200, {**READY, "busy": 4}), "busy", "taken"),
        (answer(200, {"state": "ready", "engines": 1, "busy": 1}), "busy", "taken"),
        (answer(200, {"state": "ready", "busy": True}), "busy", "taken"),
        (answer(200), "ok", "no gateway"),
        (answer(404), "ok", "HTTP 404, no gateway"),
        (
            answer(503, {"state": "downloading", "phase": "model.safetensors", "progress": 0.5}),
            "loading",
            "safetensors, 50%",
        ),
        (answer(503, {"state": "warming"}), "loading", "warming"),
        (answer(503, {"state": "draining"}), "draining", "shutting down"),
        (answer(503, {"state": "failed", "reason": "out of memory"}), "failed", "out of memory"),
        (answer(502), "bad_gateway", "502"),
        (answer(503), "bad_gateway", "503"),
        (answer(504), "bad_gateway", "504"),
        (answer(500), "server_error", "500"),
        (answer(429), "busy", "429"),
        (answer(401), "unauthorized", "401"),
        (answer(403), "unauthorized", "403"),
        (answer(301, location="https://h/"), "redirect", "https://h/"),
    ],
)
def test_health(response: Response, outcome: str, words: str) -> None:
    """What GET /health can answer."""
    meaning = health_means(response)
    assert meaning.outcome == outcome
    assert words in meaning.detail


@pytest.mark.parametrize(
    ("response", "outcome", "words"),
    [
        (answer(503, {"error": "busy"}), "busy", "busy"),
        (answer(503, {"error": {"code": "busy", "message": "come back"}}), "busy", "come back"),
        (answer(503, {"error": "loading"}), "loading", "loading"),
        (answer(503, {"error": "draining"}), "draining", "draining"),
        (answer(503, {"error": "failed", "reason": "no kernel"}), "failed", "no kernel"),
        (answer(502), "bad_gateway", "502"),
        (answer(500), "server_error", "500"),
        (answer(401), "unauthorized", "401"),
        (answer(400, {"error": "bad request", "reason": "no such voice"}), "rejected", "no such voice"),
        (Response(400, {}, b"No WebSocket UPGRADE hdr"), "rejected", "UPGRADE hdr"),
        (answer(404), "not_found", "404"),
        (answer(200), "not_websocket", "200"),
        (answer(302, location="/login"), "redirect", "/login"),
        (answer(418), "rejected", "no words"),
    ],
)
def test_upgrade(response: Response, outcome: str, words: str) -> None:
    """What can be answered instead of 101."""
    meaning = upgrade_means(response)
    assert meaning.outcome == outcome
    assert words in meaning.detail


@pytest.mark.parametrize(
    ("code", "reason", "outcome"),
    [
        (1006, "", "closed_1006"),
        (1011, "engine refused", "closed_1011"),
        (1013, "busy", "closed_1013"),
        (1013, "loading", "loading"),
    ],
)
def test_close(code: int, reason: str, outcome: str) -> None:
    """How a connection can end before the handshake."""
    assert close_means(code, reason).outcome == outcome


@given(st.binary(max_size=2000))
def test_quotes_are_short_and_plain(said: bytes) -> None:
    """No peer's words can steer a terminal or fill a screen."""
    line = quoted(said)
    assert len(line) <= 200
    assert line.isprintable()


@given(
    st.integers(100, 599),
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.dictionaries(
            st.sampled_from(["state", "error", "busy", "engines", "progress", "phase", "reason", "message", "code"]),
            inner,
        ),
    ),
)
def test_any_json_has_a_meaning(status: int, document: object) -> None:
    """No document makes it raise."""
    assert health_means(answer(status, document)).outcome
    assert upgrade_means(answer(status, document)).outcome
