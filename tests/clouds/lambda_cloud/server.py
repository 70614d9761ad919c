"""The door of the loopback Lambda: who asks, how often, whether it is as described, and what goes wrong."""

from __future__ import annotations

import base64
import json
import threading
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.clouds.lambda_cloud.faults import DROPPED, PLAIN, Fault, RefusedError, invalid
from tests.clouds.lambda_cloud.judge import BASE, judge_answer, judge_request, template_of
from tests.clouds.lambda_cloud.operations import Operations
from tests.clouds.lambda_cloud.state import State, stock

LAUNCH = "POST /instance-operations/launch"
REQUEST_S, LAUNCH_S = 1.0, 12.0
_CLOSING_S = 30.0


@dataclass
class Seen:
    """A request that came in."""

    at: float
    operation: str
    path: str
    body: str
    headers: str
    status: int = 0


class Lambda(State):
    """A Lambda on the loopback, from `with` to its end."""

    def __enter__(self) -> Self:
        self.types = stock()
        self.families = {"lambda-stack-24-04": ("x86_64", "arm64"), "lambda-stack-22-04": ("x86_64",)}
        self.faults: list[Fault] = []
        self.seen: list[Seen] = []
        self.broken: list[str] = []
        """What was answered otherwise than described, and not on demand."""
        self.is_strict = True
        """Whether whoever asks too often gets a 429."""
        self.operations = Operations(self)
        self._lock = threading.RLock()
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        for thread in self.operations.boots:
            thread.join(_CLOSING_S)
        for one in self.instances.values():
            if one.machine is not None:
                one.machine.remove()
        assert self.broken == [], f"the loopback Lambda itself failed: {self.broken}"

    @property
    def url(self) -> str:
        """What LAMBDA_CLOUD_BASE_URL is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """What sends a client here."""
        return {"LAMBDA_CLOUD_BASE_URL": self.url, "LAMBDA_API_KEY": self.key}

    def fail(self, operation: str, status: int, code: str = "", **more: Any) -> None:
        """Let something go wrong from now on; `more` is whatever else a Fault has."""
        self.faults.append(Fault(operation, status, code, **more))

    def counted(self, operation: str) -> int:
        """Count the requests for an operation, those that were refused too."""
        return sum(one.operation == operation for one in self.seen)

    def serve(self, method: str, path: str, text: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        """Answer one request: status, body, headers. Status DROPPED: no answer."""
        with self._lock:
            template = template_of(method, path)
            operation = f"{method} {(template or path).removeprefix(BASE)}"
            seen = Seen(self.clock.now(), operation, path, text, json.dumps(headers))
            self.seen.append(seen)
            seen.status, body, more = self._answer(method, template, operation, seen, headers)
            return seen.status, body, more

    def _answer(
        self, method: str, template: str | None, operation: str, seen: Seen, headers: dict[str, str]
    ) -> tuple[int, str, dict[str, str]]:
        if self.is_strict and self._too_often(seen):
            return 429, "slow down", {}
        if not self._is_known(headers):
            refused = RefusedError(401, "global/invalid-api-key", "API key was invalid, expired, or deleted.", "Check.")
            return 401, json.dumps(refused.body), {}
        fault = next((one for one in self.faults if one.strikes(operation)), None)
        if fault is not None and fault.group:
            self.faults = [one for one in self.faults if one.group != fault.group]
        said = None if fault is not None and not fault.after else self._done(method, template, operation, seen)
        if fault is not None:
            return _faulty(fault)
        assert said is not None
        return said

    def _done(self, method: str, template: str | None, operation: str, seen: Seen) -> tuple[int, str, dict[str, str]]:
        if template is None:
            body = {"error": {"code": "global/not-found", "message": "The requested resource was not found."}}
            return 404, json.dumps(body), {}
        try:
            content = json.loads(seen.body) if seen.body else None
            wrong = judge_request(method, template, content)
            if wrong:
                raise invalid("; ".join(wrong))
            resource_id = seen.path.rpartition("/")[2] if template.endswith("{id}") else ""
            status, answer = 200, {"data": self.operations.routes[operation](content or {}, resource_id)}
        except RefusedError as refused:
            status, answer = refused.status, refused.body
        # What is reported and not described is answered as reported.
        is_odd = status >= 500 or any(one.forced not in (None, *_STATES) for one in self.instances.values())
        if not is_odd:
            self.broken += [f"{operation}: {why}" for why in judge_answer(method, template, status, answer)]
        return status, json.dumps(answer), {}

    def _too_often(self, seen: Seen) -> bool:
        """Tell whether a request comes within a second of the last that was taken, or a launch within twelve."""
        taken = [one for one in self.seen[:-1] if one.status != 429]
        if taken and seen.at - taken[-1].at < REQUEST_S:
            return True
        launches = [one.at for one in taken if one.operation == LAUNCH]
        return seen.operation == LAUNCH and bool(launches) and seen.at - launches[-1] < LAUNCH_S

    def _is_known(self, headers: dict[str, str]) -> bool:
        basic = base64.b64encode(f"{self.key}:".encode()).decode()
        return headers.get("Authorization") in (f"Bearer {self.key}", f"Basic {basic}")


_STATES = ("booting", "active", "unhealthy", "terminated", "terminating", "preempted")


def _faulty(fault: Fault) -> tuple[int, str, dict[str, str]]:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    if fault.text is not None:
        return fault.status, fault.text, headers
    if not fault.code:
        return fault.status, PLAIN, headers
    error = {"code": fault.code, "message": fault.message, "suggestion": "Try again."}
    return fault.status, json.dumps({"error": error}), headers


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, cloud: Lambda, *arguments: Any) -> None:
        self._cloud = cloud
        super().__init__(*arguments)

    def _serve(self) -> None:
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        status, body, headers = self._cloud.serve(self.command, self.path.partition("?")[0], text, dict(self.headers))
        if status == DROPPED:
            self.close_connection = True
            return
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        content = body.encode()
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = do_PUT = _serve  # noqa: N815 - the standard library's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""
