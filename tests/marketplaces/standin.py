"""Servers on the loopback that answer the rendered scripts as RunPod and Vast would, and remember what they saw."""

from __future__ import annotations

import json
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = tuple[int, dict[str, Any]]


@dataclass
class Call:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, list[str]]
    authorization: str
    body: Any


@dataclass
class Market(ABC):
    """What exists there, what went wrong when asked for, and every call; `make` is the path that creates."""

    calls: list[Call] = field(default_factory=list)
    existing: list[dict[str, Any]] = field(default_factory=list)
    command_lines: set[bytes] = field(default_factory=set)
    """Of every process of the machine while a request was answered."""
    fault: Answer | None = None
    """Answered instead of a create's success."""
    is_lost: bool = False
    """Whether a create with a fault took effect all the same."""
    listings: list[int] = field(default_factory=list)
    """Statuses of the next lists; 200 when there is none left."""
    searching: int = 200
    url: str = ""

    @property
    def methods(self) -> list[str]:
        """Return what was called, in order."""
        return [f"{call.method} {call.path}" for call in self.calls]

    @property
    def created(self) -> list[Any]:
        """Return the bodies of all creates."""
        return [call.body for call in self.calls if self.creates(call)]

    @abstractmethod
    def creates(self, call: Call) -> bool:
        """Tell whether a call is a create."""

    def listing(self) -> int:
        """Return the status of this list."""
        return self.listings.pop(0) if self.listings else 200

    @abstractmethod
    def answer(self, call: Call) -> Answer:
        """Return status and body for a call."""


class RunPodMarket(Market):
    """`GET` and `POST /v2/pods`."""

    def creates(self, call: Call) -> bool:
        """Tell whether a call is a create."""
        return call.method == "POST"

    def answer(self, call: Call) -> Answer:
        """Return status and body for a call; a pod echoes its environment, as RunPod's does."""
        if call.method == "GET":
            return self.listing(), {"pods": self.existing, "detail": "the list is down"}
        pod = {
            "gpu": {"id": "other"},
            "id": f"pod{len(self.existing)}",
            "name": call.body["name"],
            "env": call.body["env"],
        }
        if self.fault is None or self.is_lost:
            self.existing.append(pod)
        return self.fault or (201, pod)


class VastMarket(Market):
    """`GET /api/v1/instances/`, `POST /api/v0/bundles/` and `PUT /api/v0/asks/<id>/`."""

    offers: tuple[int, ...] = (7001, 7002)

    def creates(self, call: Call) -> bool:
        """Tell whether a call is a create."""
        return call.method == "PUT"

    def answer(self, call: Call) -> Answer:
        """Return status and body for a call; the list is filtered by label, as Vast's is."""
        if call.method == "GET":
            label = json.loads(call.query["select_filters"][0])["label"]["eq"]
            found = [one for one in self.existing if one["label"] == label]
            return self.listing(), {"instances": found, "next_token": None, "msg": "the list is down"}
        if call.method == "POST":
            return self.searching, {"offers": [{"ask": {"id": 1}, "id": offer} for offer in self.offers]}
        contract = 9000 + len(self.existing)
        if self.fault is None or self.is_lost:
            self.existing.append({"id": contract, "label": call.body["label"], "extra_env": call.body["env"]})
        return self.fault or (200, {"success": True, "new_contract": contract, "instance_api_key": "canary-instance"})


@contextmanager
def serving(market: Market) -> Iterator[Market]:
    """Serve a market on the loopback for as long as the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(market))
    market.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield market
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _handler(market: Market) -> Callable[..., BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            asked, length = urlsplit(self.path), int(self.headers.get("Content-Length", "0"))
            body = json.loads(self.rfile.read(length)) if length else None
            call = Call(self.command, asked.path, parse_qs(asked.query), self.headers["Authorization"] or "", body)
            market.calls.append(call)
            market.command_lines |= _command_lines()
            status, said = market.answer(call)
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _serve  # noqa: N815 - the names are http.server's

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    return Handler


def _command_lines() -> set[bytes]:
    found = set()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.add(path.read_bytes())
        except OSError:
            continue
    return found
