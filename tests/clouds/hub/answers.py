"""What the Hub answers to whom: status, X-Error-Code and X-Error-Message as they were seen at huggingface.co. No I/O.

Seen, with the same words, in huggingface/huggingface_hub's tests and issues (GatedRepo 401 and 403, RevisionNotFound,
EntryNotFound, `Invalid credentials in Authorization header`) and in users' logs of 2025 and 2026 (fine-grained tokens
without gated access: a 403 without a code; expired tokens; a rejected request). A gate answers before a missing file
or branch does; `/api/models/<name>` is public for a gated repository; a missing one looks private to strangers: 401.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from tests.clouds.hub.state import Content, Repository, Token

_GATE = {
    "pending": "Your request to access model {name} is awaiting a review from the repo authors.",
    "rejected": "Your request to access model {name} has been rejected by the repo's authors.",
    None: "Access to model {name} is restricted and you are not in the authorized list. "
    "Visit https://huggingface.co/{name} to ask for access.",
}
_ANONYMOUS = (
    "Access to model {name} is restricted. You must have access to it and be authenticated to access it. Please log in."
)
_SCOPE = (
    "Please enable access to public gated repositories in your fine-grained token settings to view this repository."
)


@dataclass(frozen=True)
class Answer:
    """One answer; `content` is sent by range, `body` whole."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    content: Content | None = None


def error(status: int, code: str | None, message: str) -> Answer:
    """Return a refusal as the Hub words it."""
    headers = {"X-Error-Message": message, "Content-Type": "application/json; charset=utf-8"}
    if code is not None:
        headers["X-Error-Code"] = code
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = 'Bearer realm="Authentication required", charset="UTF-8"'
    return Answer(status, json.dumps({"error": message}).encode(), headers)


def document(value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """Return JSON."""
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(200, json.dumps(value).encode(), kind | dict(headers or {}))


def bad_token(token: Token | None) -> Answer:
    """Refuse a token that is not known, or no longer good."""
    if token is not None and token.is_expired:
        return error(401, None, 'User Access Token "ci" is expired')
    return error(401, None, "Invalid credentials in Authorization header")


def no_repository(token: Token | None) -> Answer:
    """Say that there is no such repository; strangers are not told the difference to a private one."""
    if token is None:
        return error(401, None, "Invalid username or password.")
    return error(404, "RepoNotFound", "Repository not found")


def no_revision(revision: str) -> Answer:
    """Say that there is no such revision."""
    return error(404, "RevisionNotFound", f"Invalid rev id: {revision}")


def gate(repository: Repository, token: Token | None) -> Answer | None:
    """Return the refusal of a gate, or None for whom it lets through."""
    if not repository.gated:
        return None
    if token is None:
        return error(401, "GatedRepo", _ANONYMOUS.format(name=repository.name))
    if token.role == "fineGrained" and not token.can_read_gated:
        return error(403, None, _SCOPE)
    standing = repository.access.get(token.account)
    if standing == "granted":
        return None
    return error(403, "GatedRepo", _GATE[standing].format(name=repository.name))


def file_headers(content: Content, commit: str) -> dict[str, str]:
    """Return what the Hub says about a file on every answer that leads to it."""
    headers = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
    if content.xet is not None:
        headers |= {"X-Xet-Hash": content.xet[0], "X-Xet-Refresh-Route": content.xet[1]}
    if content.is_large:
        return headers | {"X-Linked-Size": str(content.size), "X-Linked-Etag": f'"{content.etag}"'}
    return headers | {"ETag": f'"{content.etag}"'}
