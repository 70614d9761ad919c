"""The registry: blobs and manifests in memory, every digest checked, faults on request.

Source of every rule: the OCI distribution specification 1.1 ("Pull", "Push", "Error codes"), and RFC 7617 for logins.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from aiohttp import web
from tests.clouds.registry.serving import serving

_NAME = r"[a-z0-9]+(?:[._-][a-z0-9]+)*(?:/[a-z0-9]+(?:[._-][a-z0-9]+)*)*"
_UPLOADS = re.compile(rf"/v2/(?P<name>{_NAME})/blobs/uploads/(?P<upload>[0-9a-f-]*)")
_BLOB = re.compile(rf"/v2/(?P<name>{_NAME})/blobs/(?P<digest>sha256:[0-9a-f]{{64}})")
_MANIFEST = re.compile(rf"/v2/(?P<name>{_NAME})/manifests/(?P<reference>[\w.-]+|sha256:[0-9a-f]{{64}})")
_LARGEST_BYTES = 1 << 30
CUT = "cut"
"""A fault: the connection is closed without an answer."""


@dataclass(frozen=True)
class Fault:
    """Answers of its own for the first `times` requests whose `METHOD path` matches."""

    pattern: str
    kind: int | str
    """A status, or CUT."""
    times: int = 1_000_000


@dataclass
class Registry:
    """The state, which tests look at and change."""

    login: tuple[str, str] | None = None
    """User and password; None lets everybody in."""
    faults: list[Fault] = field(default_factory=list)
    blobs: dict[str, bytes] = field(default_factory=dict)
    manifests: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    """By name and tag or digest: media type and bytes."""
    seen: list[str] = field(default_factory=list)
    """`METHOD path` of each request."""
    address: str = ""
    """`127.0.0.1:port`."""
    _uploads: dict[str, bytearray] = field(default_factory=dict)
    _struck: dict[str, int] = field(default_factory=dict)

    def digest_of(self, name: str, tag: str) -> str | None:
        """Return the digest that a tag points at."""
        found = self.manifests.get((name, tag))
        return None if found is None else _digest(found[1])

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request."""
        line = f"{request.method} {request.path}"
        self.seen.append(line)
        fault = self._fault(line)
        if fault is not None and fault.kind == CUT:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        if fault is not None:
            return _error(int(fault.kind), "DENIED" if fault.kind == 403 else "UNKNOWN", "as the test wants it")
        if not self._is_in(request):
            headers = {"WWW-Authenticate": 'Basic realm="registry"'}
            return _error(401, "UNAUTHORIZED", "authentication required", headers)
        if request.path.rstrip("/") == "/v2":
            return web.json_response({})
        for pattern, serve in ((_UPLOADS, self._upload), (_BLOB, self._blob), (_MANIFEST, self._manifest)):
            match = pattern.fullmatch(request.path)
            if match is not None:
                return await serve(request, match)
        return _error(404, "NAME_INVALID", "invalid repository name")

    def _fault(self, line: str) -> Fault | None:
        for fault in self.faults:
            if re.search(fault.pattern, line) and self._struck.get(fault.pattern, 0) < fault.times:
                self._struck[fault.pattern] = self._struck.get(fault.pattern, 0) + 1
                return fault
        return None

    def _is_in(self, request: web.Request) -> bool:
        if self.login is None:
            return True
        expected = base64.b64encode(":".join(self.login).encode()).decode()
        return request.headers.get("Authorization") == f"Basic {expected}"

    async def _blob(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        content = self.blobs.get(match["digest"])
        if content is None:
            return _error(404, "BLOB_UNKNOWN", "blob unknown to registry")
        headers = {"Docker-Content-Digest": match["digest"], "Content-Type": "application/octet-stream"}
        return _content(request, content, headers)

    async def _upload(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        """Take a blob: at once, in one piece after a POST, or in pieces (the specification's three ways)."""
        name, upload = match["name"], match["upload"]
        if request.method == "POST":
            upload = str(uuid4())
            self._uploads[upload] = bytearray()
            mounted = request.query.get("mount")
            if mounted in self.blobs:
                return _created(f"/v2/{name}/blobs/{mounted}", str(mounted))
        if upload not in self._uploads:
            return _error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        held = self._uploads[upload]
        async for piece in request.content.iter_chunked(1 << 16):
            held += piece
        digest = request.query.get("digest")
        if digest is None:
            headers = {"Location": f"/v2/{name}/blobs/uploads/{upload}", "Range": f"0-{max(len(held) - 1, 0)}"}
            return web.Response(status=202, headers=headers)
        del self._uploads[upload]
        if _digest(held) != digest:
            return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self.blobs[digest] = bytes(held)
        return _created(f"/v2/{name}/blobs/{digest}", digest)

    async def _manifest(self, request: web.Request, match: re.Match[str]) -> web.StreamResponse:
        name, reference = match["name"], match["reference"]
        if request.method == "PUT":
            return self._put_manifest(name, reference, request.content_type, await request.read())
        found = self.manifests.get((name, reference))
        if found is None:
            return _error(404, "MANIFEST_UNKNOWN", "manifest unknown to registry")
        headers = {"Docker-Content-Digest": _digest(found[1]), "Content-Type": found[0]}
        return _content(request, found[1], headers)

    def _put_manifest(self, name: str, reference: str, kind: str, content: bytes) -> web.Response:
        digest = _digest(content)
        if reference.startswith("sha256:") and reference != digest:
            return _error(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        manifest = json.loads(content)
        needed = [manifest["config"]["digest"], *(layer["digest"] for layer in manifest["layers"])]
        if any(one not in self.blobs for one in needed):
            return _error(404, "MANIFEST_BLOB_UNKNOWN", "manifest references a blob that is not here")
        for key in (reference, digest):
            self.manifests[name, key] = (kind, content)
        return _created(f"/v2/{name}/manifests/{digest}", digest)


@contextmanager
def registry_on_loopback(registry: Registry) -> Iterator[Registry]:
    """Serve a registry until the block ends."""

    def app() -> web.Application:
        one = web.Application(client_max_size=_LARGEST_BYTES)
        one.router.add_route("*", "/{path:.*}", registry.answer)
        return one

    with serving(
        app, lambda runner: web.TCPSite(runner, "127.0.0.1", int(registry.address.partition(":")[2] or 0))
    ) as r:
        registry.address = f"127.0.0.1:{r.addresses[0][1]}"
        yield registry


def _digest(content: bytes | bytearray) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _content(request: web.Request, content: bytes, headers: dict[str, str]) -> web.Response:
    if request.method == "HEAD":
        return web.Response(headers={**headers, "Content-Length": str(len(content))})
    return web.Response(body=content, headers=headers)


def _created(location: str, digest: str) -> web.Response:
    return web.Response(status=201, headers={"Location": location, "Docker-Content-Digest": digest})


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    body: dict[str, Any] = {"errors": [{"code": code, "message": message, "detail": None}]}
    return web.json_response(body, status=status, headers=headers)
