"""What the loopback Google remembers, and how it refuses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}


class RefusedError(Exception):
    """An answer that is an error, in Google's JSON."""

    def __init__(
        self,
        code: int,
        message: str,
        reason: str | None = None,
        *,
        status: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.headers = dict(headers or {})
        details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}] if reason else []
        self.body: Json = {
            "error": {"code": code, "message": message, "status": status or _STATUS[code], "details": details}
        }


@dataclass
class Request:
    """A request that was understood."""

    method: str
    params: Mapping[str, str]
    query: Mapping[str, list[str]]
    json: Any
    content: bytes

    def one(self, key: str, default: str = "") -> str:
        """Return a query parameter."""
        return self.query.get(key, [default])[0]


@dataclass
class Service:
    """A service of Cloud Run, and its revisions' fate."""

    name: str
    body: Json
    generation: int = 1
    observed: int = 0
    changed_at: float = 0.0
    condition: Json = field(default_factory=lambda: {"type": "Ready", "state": "CONDITION_PENDING"})
    revisions: list[str] = field(default_factory=list)

    @property
    def label(self) -> str:
        """The last part of its name."""
        return self.name.rpartition("/")[2]

    @property
    def is_stopped(self) -> bool:
        """Whether no instance may be up."""
        scaling = self.body.get("scaling", {})
        return scaling.get("scalingMode") == "MANUAL" and not scaling.get("manualInstanceCount")

    @property
    def env(self) -> list[Json]:
        """The variables of its container."""
        found: list[Json] = self.body["template"]["containers"][0]["env"]
        return found


@dataclass
class Books:
    """Everything that exists in the one project."""

    project: str = "my-project"
    number: str = "123456789012"
    apis: set[str] = field(
        default_factory=lambda: {
            *("serviceusage", "cloudresourcemanager", "logging", "storage"),
            *("monitoring", "cloudquotas"),
        }
    )
    lacking: set[str] = field(default_factory=set)
    """Permissions that the caller does not have."""
    services: dict[str, Service] = field(default_factory=dict)
    secrets: dict[str, Json] = field(default_factory=dict)
    versions: dict[str, list[str]] = field(default_factory=dict)
    """Payloads (base64) of a secret's versions; the first is version 1."""
    buckets: dict[str, Json] = field(default_factory=dict)
    objects: dict[str, dict[str, bytes]] = field(default_factory=dict)
    folders: dict[str, list[str]] = field(default_factory=dict)
    policies: dict[str, Json] = field(default_factory=dict)
    repositories: dict[str, Json] = field(default_factory=dict)
    tags: dict[str, dict[str, str]] = field(default_factory=dict)
    """Tags and digests of each package, by the package's full name."""
    builds: dict[str, Json] = field(default_factory=dict)
    operations: dict[str, Json] = field(default_factory=dict)
    entries: list[Json] = field(default_factory=list)
    """Log entries, as they came in."""
    quotas: dict[str, int] = field(
        default_factory=lambda: {"MemAllocPerProjectRegion": 2**40, "CpuAllocPerProjectRegion": 1_000_000}
    )
    counted: dict[str, int] = field(default_factory=dict)
    """Instances that Cloud Monitoring tells of a service."""
