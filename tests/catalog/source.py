"""A price source on the loopback that answers well or badly, one way for each provider, until it is let go."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

VARIABLE = "PLEXCTL_X_PRICES_URL"


def row(provider: str, gpu: str, price: float | None, **more: object) -> dict[str, object]:
    """Return one row as a price source writes it."""
    given = {"provider": provider, "gpu": gpu, "price": price, "source": "the test's own", "as_of": "2026-11-21"}
    return given | more


@dataclass
class Source:
    """What it answers by path; `hang` stands for an answer that does not come."""

    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    hang: set[str] = field(default_factory=set)
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)
    url: str = ""
    released: threading.Event = field(default_factory=threading.Event)

    def rows(self, provider: str, *rows: Mapping[str, object]) -> None:
        """Let a provider's prices be these."""
        self.answers[f"/{provider}"] = (200, json.dumps({"rows": rows}).encode())

    @property
    def env(self) -> dict[str, str]:
        """What makes plexctl ask here."""
        return {VARIABLE: f"{self.url}/{{provider}}"}


@contextmanager
def serving() -> Iterator[Source]:
    """Serve until the end; what hangs is let go then."""
    source = Source()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            source.asked.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
            if self.path in source.hang:
                source.released.wait(30)
            status, body = source.answers.get(self.path, (404, b"{}"))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    source.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield source
    finally:
        source.released.set()
        server.shutdown()
        server.server_close()
        thread.join()
