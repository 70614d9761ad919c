"""Which operation a request is: the paths of vast-ai/docs at c624622, with and without the slash at their end."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_PATHS: tuple[tuple[str, str, str], ...] = (
    ("search", "POST", r"/api/v0/bundles"),
    ("create", "PUT", r"/api/v0/asks/(\d+)"),
    ("list", "GET", r"/api/v1/instances"),
    ("retired", "GET", r"/api/v0/instances"),
    ("logs", "PUT", r"/api/v0/instances/request_logs/(\d+)"),
    ("restart", "PUT", r"/api/v0/instances/reboot/(\d+)"),
    ("show", "GET", r"/api/v0/instances/(\d+)"),
    ("manage", "PUT", r"/api/v0/instances/(\d+)"),
    ("destroy", "DELETE", r"/api/v0/instances/(\d+)"),
    ("user", "GET", r"/api/v0/users/current"),
    ("secrets", "(?:GET|POST|PUT|DELETE)", r"/api/v0/secrets"),
    ("result", "GET", r"/logs/([\w-]+)"),
)


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    authorization: str
    body: Any
    operation: str = ""
    number: str = ""


def route(request: Request) -> tuple[str, str]:
    """Return the operation, and the number or name in its path."""
    path = request.path.rstrip("/")
    for operation, method, pattern in _PATHS:
        found = re.fullmatch(pattern, path)
        if found and re.fullmatch(method, request.method):
            return operation, found[1] if found.groups() else ""
    raise AssertionError(f"Vast has no {request.method} {request.path}")
