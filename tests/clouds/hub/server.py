"""The loopback Hub's sockets: the Hub itself and, at a port of its own, the storage that it redirects to."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.clouds.hub import answers
from tests.clouds.hub.answers import Answer
from tests.clouds.hub.faults import Fault
from tests.clouds.hub.sockets import Server, serve
from tests.clouds.hub.state import COMMIT, Content, Repository, Token

_NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
_INFO = re.compile(rf"/api/models/{_NAME}(?:/revision/(?P<revision>[^/]+))?")
_TREE = re.compile(rf"/api/models/{_NAME}/tree/(?P<revision>[^/]+)")
_AUTH = re.compile(rf"/api/models/{_NAME}/auth-check")
_CACHED = re.compile(rf"/api/resolve-cache/models/{_NAME}/(?P<revision>[^/]+)/(?P<path>.+)")
_FILE = re.compile(rf"/{_NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_STORED = re.compile(rf"/{_NAME}/(?P<path>.+)")


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    method: str
    path: str
    """With its query."""
    headers: Mapping[str, str]
    """Names in lower case."""

    @property
    def line(self) -> str:
        """Method and path, as faults see them."""
        return f"{self.method} {self.path}"

    @property
    def token(self) -> str | None:
        """The bearer's token."""
        return self.headers.get("authorization", "").removeprefix("Bearer ") or None


class Hub:
    """A Hub on the loopback, from `with` to its end. Change its state at any time; `requests` is what came in."""

    def __init__(self) -> None:
        self.repositories: dict[str, Repository] = {}
        self.tokens: dict[str, Token] = {}
        self.faults: list[Fault] = []
        self.storage_faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.stored: list[Seen] = []
        """What came in at the storage."""
        self.sent: Counter[str] = Counter()
        """Bytes of each file that were sent, by its name."""
        self.changed = threading.Condition()
        self.closing = threading.Event()

    def __enter__(self) -> Self:
        self._hub: Server = serve(self, self.answer)
        self._storage: Server = serve(self, self.store)
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        for server in (self._hub, self._storage):
            server.close()

    @property
    def url(self) -> str:
        """What HF_ENDPOINT is set to."""
        return self._hub.url

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send a client of the Hub's here."""
        return {"HF_ENDPOINT": self.url, "HF_HUB_DISABLE_TELEMETRY": "1"}

    def add_repository(
        self, name: str, files: Mapping[str, bytes | Content], *, gated: bool | str = False, **more: Any
    ) -> Repository:
        """Add a repository; `more` is whatever else Repository has: card, access, refs, private."""
        contents = {path: Content.of(data) if isinstance(data, bytes) else data for path, data in files.items()}
        self.repositories[name] = Repository(name, contents, gated, **more)
        return self.repositories[name]

    def add_token(self, value: str, account: str = "ann", **more: Any) -> Token:
        """Add a token; `more` is whatever else Token has: role, can_read_gated, is_expired."""
        self.tokens[value] = Token(account, **more)
        return self.tokens[value]

    def fail(self, fault: Fault) -> Fault:
        """Let something go wrong from now on."""
        self.faults.append(fault)
        return fault

    def fail_storage(self, fault: Fault) -> Fault:
        """Let something go wrong from now on where the large files lie."""
        self.storage_faults.append(fault)
        return fault

    def count(self, path: str, size: int) -> None:
        """Take note of bytes of a file that were sent."""
        with self.changed:
            self.sent[unquote(urlsplit(path).path).rpartition("/")[2]] += size
            self.changed.notify_all()

    def wait_for(self, is_true: Callable[[], bool], timeout_s: float = 30) -> None:
        """Wait until something is true of what came in."""
        with self.changed:
            assert self.changed.wait_for(is_true, timeout_s), [seen.line for seen in self.requests]

    def fault_for(self, seen: Seen) -> Fault | None:
        """Return what goes wrong with this request; notes that it came in."""
        with self.changed:
            self.requests.append(seen)
            self.changed.notify_all()
            return next((fault for fault in self.faults if fault.strikes(seen.line)), None)

    def storage_fault_for(self, seen: Seen) -> Fault | None:
        """Return what goes wrong with this request at the storage."""
        with self.changed:
            return next((fault for fault in self.storage_faults if fault.strikes(seen.line)), None)

    def answer(self, seen: Seen) -> Answer:
        """Answer as the Hub."""
        url = urlsplit(seen.path)
        if seen.token is not None and (seen.token not in self.tokens or self.tokens[seen.token].is_expired):
            return answers.bad_token(self.tokens.get(seen.token))
        token = self.tokens.get(seen.token or "")
        if url.path == "/api/whoami-v2":
            return answers.document(token.whoami()) if token else answers.no_repository(None)
        routes = ((_AUTH, self._auth), (_TREE, self._tree), (_INFO, self._info), (_CACHED, self._cached))
        for pattern, reply in (*routes, (_FILE, self._file)):
            match = pattern.fullmatch(url.path)
            if match:
                found = self.repositories.get(match["name"])
                if found is None or (found.private and not (token and token.account in found.access)):
                    return answers.no_repository(token)
                return reply(found, token, match, parse_qs(url.query))
        return answers.error(404, None, "Sorry, we can't find the page you are looking for.")

    def store(self, seen: Seen) -> Answer:
        """Answer as the storage: signed URLs only, and no second credentials beside the signature."""
        self.stored.append(seen)
        url = urlsplit(seen.path)
        match = _STORED.fullmatch(unquote(url.path))
        repository = self.repositories.get(match["name"]) if match else None
        if match is None or repository is None or match["path"] not in repository.files:
            return Answer(404, b"NoSuchKey")
        if "authorization" in seen.headers:
            return Answer(400, b"<Error>Only one auth mechanism allowed</Error>")
        if "X-Signature" not in parse_qs(url.query):
            return Answer(403, b"<Error>AccessDenied</Error>")
        content = repository.files[match["path"]]
        return Answer(200, headers={"ETag": f'"{content.etag}"', "Accept-Ranges": "bytes"}, content=content)

    def _info(self, repository: Repository, _: Token | None, match: re.Match[str], query: Mapping[str, Any]) -> Answer:
        revision = unquote(match["revision"] or "main")
        commit = repository.commit(revision)
        if commit is None:
            return answers.no_revision(revision)
        return answers.document(repository.described(commit, blobs="blobs" in query))

    def _tree(self, repository: Repository, _: Token | None, match: re.Match[str], __: Mapping[str, Any]) -> Answer:
        revision = unquote(match["revision"])
        return answers.document(repository.tree()) if repository.commit(revision) else answers.no_revision(revision)

    def _auth(self, repository: Repository, token: Token | None, _: re.Match[str], __: Mapping[str, Any]) -> Answer:
        return answers.gate(repository, token) or Answer(200, b"OK")

    def _cached(
        self, repository: Repository, token: Token | None, match: re.Match[str], __: Mapping[str, Any]
    ) -> Answer:
        refused = answers.gate(repository, token)
        content = repository.files.get(unquote(match["path"]))
        if refused or content is None:
            return refused or answers.error(404, "EntryNotFound", "Entry not found")
        return Answer(200, headers=answers.file_headers(content, match["revision"]), content=content)

    def _file(self, repository: Repository, token: Token | None, match: re.Match[str], __: Mapping[str, Any]) -> Answer:
        refused = answers.gate(repository, token)
        if refused:
            return refused
        revision, path = unquote(match["revision"]), unquote(match["path"])
        commit = repository.commit(revision)
        if commit is None:
            return answers.no_revision(revision)
        content = repository.files.get(path)
        if content is None:
            return answers.error(404, "EntryNotFound", "Entry not found")
        headers = answers.file_headers(content, commit)
        if content.is_large:
            place = f"{self._storage.url}/{repository.name}/{quote(path)}?X-Signature=abc"
            return Answer(302, b"Found", headers | {"Location": place})
        place = f"/api/resolve-cache/models/{repository.name}/{commit}/{quote(path)}"
        return Answer(307, b"Temporary Redirect", headers | {"Location": place})


def personaplex(hub: Hub, name: str = "nvidia/personaplex-7b-v1", **more: Any) -> Repository:
    """Add a repository with the files of NVIDIA's, true in the size of its weights; gated where not said otherwise."""
    files: dict[str, bytes | Content] = {
        "README.md": b"# PersonaPlex\n",
        "config.json": b'{"model_type": "personaplex"}',
        "model.safetensors": Content(16_742_863_224),
        "tokenizer-e351c8d8-checkpoint125.safetensors": Content(384_644_900),
        "tokenizer_spm_32k_3.model": Content(552_778),
        "voices.tgz": Content(6_000_000),
        "dist.tgz": Content(1_000_000),
    }
    card = {"license": "other", "license_name": "nvidia-open-model-license"}
    return hub.add_repository(name, files, **({"gated": "auto", "card": card, "refs": {"main": COMMIT}} | more))
