"""An HTTP server on a port of the loopback that answers what it is told, in ranges, or fails as it is told."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.clouds.hub.answers import Answer
from tests.clouds.hub.state import Content

if TYPE_CHECKING:
    from tests.clouds.hub.faults import Fault
    from tests.clouds.hub.server import Hub, Seen

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")
_CHUNK = 1 << 17
_LONG_CHUNK = 64 << 20
_NO_BODY = frozenset({204, 304})


class _QuietServer(http.server.ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of a client that hung up; anything else is a bug of the Hub's, and shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class Server:
    """A server that runs until it is closed."""

    def __init__(self, handler: type[http.server.BaseHTTPRequestHandler]) -> None:
        self._server = _QuietServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Listen no longer."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection; its subclasses know whose it is."""

    hub: Hub
    answer_to: Callable[[Seen], Answer]
    see: type[Seen]
    is_storage = False
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 60

    def do_GET(self) -> None:
        """Answer."""
        self._reply()

    def do_HEAD(self) -> None:
        """Answer without a body."""
        self._reply()

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _reply(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = self.see(self.command, self.path, headers)
        fault = self.hub.storage_fault_for(seen) if self.is_storage else self.hub.fault_for(seen)
        try:
            if fault is not None and fault.delay_s:
                self.hub.closing.wait(fault.delay_s)
            if fault is None or not self._fail(fault):
                self._send(self.answer_to(seen), fault)
        except OSError:
            self.close_connection = True  # the client has left

    def _fail(self, fault: Fault) -> bool:
        if fault.reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif fault.raw is not None:
            step = 1 if fault.drip_s else max(1, len(fault.raw))
            for start in range(0, len(fault.raw), step):
                self.wfile.write(fault.raw[start : start + step])
                self.hub.closing.wait(fault.drip_s)
        elif fault.status is not None:
            self._send(Answer(fault.status, fault.body, fault.headers))
            return True
        else:
            return False
        self.close_connection = True
        return True

    def _send(self, reply: Answer, fault: Fault | None = None) -> None:
        status, first, length = reply.status, 0, len(reply.body)
        if reply.content is not None:
            asked = None if fault is not None and fault.ignores_range else self.headers.get("Range")
            status, first, length = ranged(asked, reply.content)
        self.send_response(status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.content is not None and status != reply.status:
            end = f"{first}-{first + length - 1}" if length else "*"
            self.send_header("Content-Range", f"bytes {end}/{reply.content.size}")
        if "Content-Length" not in reply.headers and status not in _NO_BODY:
            self.send_header("Content-Length", str(length))
        self.end_headers()
        if self.command == "HEAD":
            return
        if reply.content is None:
            self.wfile.write(reply.body)
        else:
            self._send_file(reply.content, first, length, fault)

    def _send_file(self, content: Content, first: int, length: int, fault: Fault | None) -> None:
        cut_after = fault.cut_after if fault is not None else None
        end = first + (length if cut_after is None else min(cut_after, length))
        file = None if fault is not None and fault.is_wrong else content.open()
        with file or contextlib.nullcontext():
            step = _CHUNK if file is None or (fault is not None and fault.bytes_per_s) else _LONG_CHUNK
            while first < end:
                size = min(step, end - first)
                if file is not None:
                    self.connection.sendfile(file, first, size)
                else:
                    part = content.part(first, size)
                    self.wfile.write(b"\xff" * size if fault is not None and fault.is_wrong else part)
                first += size
                self.hub.count(self.path, size)
                if fault is not None and fault.bytes_per_s:
                    self.hub.closing.wait(size / fault.bytes_per_s)
        if cut_after is not None:
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True


def serve(hub: Hub, answer: Callable[[Seen], Answer]) -> Server:
    """Start a server that asks `answer` for each request, and `hub` for what goes wrong at the Hub's own port."""
    from tests.clouds.hub.server import Seen

    known = {"hub": hub, "answer_to": staticmethod(answer), "see": Seen, "is_storage": answer == hub.store}
    return Server(type("BoundHandler", (Handler,), known))


def ranged(header: str | None, content: Content) -> tuple[int, int, int]:
    """Return status, first byte and length for a Range header: 200 without one, 206 with one, 416 for one too far."""
    match = _RANGE.fullmatch(header or "")
    if match is None or match.groups() == ("", ""):
        return 200, 0, content.size
    if not match[1]:
        length = min(int(match[2]), content.size)
        return 206, content.size - length, length
    first = int(match[1])
    if first >= content.size:
        return 416, 0, 0
    last = min(int(match[2]) if match[2] else content.size - 1, content.size - 1)
    return 206, first, last - first + 1
