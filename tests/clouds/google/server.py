"""All of Google's APIs at one address: each request is judged by Google's descriptions, then done, or goes wrong."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.clouds.google import image_apis, project_apis, store_apis
from tests.clouds.google.faults import Fault, How
from tests.clouds.google.run_api import CloudRun
from tests.clouds.google.state import Books, Json, RefusedError, Request
from tests.serverless.discovery import Judged, judge

SERVICE_TYPE = "type.googleapis.com/google.cloud.run.v2.Service"
_UNDESCRIBED = {
    ("GET", "timeSeries"): ("monitoring.timeSeries.list", "monitoring.googleapis.com"),
    ("GET", "quotaInfos"): ("cloudquotas.quotaInfos.list", "cloudquotas.googleapis.com"),
}
"""Methods of which no description is at hand."""
_READS = ("get", "list", "getIamPolicy", "access", "batchGet", "testIamPermissions")
_KINDS = {
    "serviceusage.services.batchEnable": ("enable", "apis"),
    "run.projects.locations.services.create": ("create", "service"),
    "run.projects.locations.services.patch": ("update", "service"),
    "run.projects.locations.services.delete": ("delete", "service"),
    "run.projects.locations.services.setIamPolicy": ("set", "invoker"),
    "secretmanager.projects.secrets.create": ("create", "secret"),
    "secretmanager.projects.secrets.addVersion": ("add", "secret-version"),
    "secretmanager.projects.secrets.setIamPolicy": ("set", "secret-access"),
    "secretmanager.projects.secrets.patch": ("update", "secret"),
    "secretmanager.projects.secrets.delete": ("delete", "secret"),
    "artifactregistry.projects.locations.repositories.create": ("create", "repository"),
    "artifactregistry.projects.locations.repositories.delete": ("delete", "repository"),
    "artifactregistry.projects.locations.repositories.packages.delete": ("delete", "image"),
    "cloudbuild.projects.builds.create": ("build", "image"),
    "cloudbuild.projects.builds.cancel": ("cancel", "image"),
    "storage.objects.insert": ("upload", "source"),
    "storage.buckets.setIamPolicy": ("set", "weights-access"),
}
"""What a call does, in the plan's words; buckets are called after what is in them."""


@dataclass(frozen=True)
class Seen:
    """A request that came in, with everything in it."""

    verb: str
    path: str
    headers: Mapping[str, str]
    content: bytes
    method: str


class Google:
    """Google on the loopback, from `with` to its end. Change `books` at any time; `requests` is what came in."""

    def __init__(self, *, runs_at_once: bool = True, now: Callable[[], float] = time.time) -> None:
        self.books = Books()
        self.ahead_s = 0.0
        self._clock = now
        self.run = CloudRun(self.books, self.now, runs_at_once)
        self.build_failure: Json | None = None
        self.faults: list[Fault] = []
        self.requests: list[Seen] = []
        self.mutations: list[str] = []
        self.broken: list[str] = []
        """What went wrong in here, and not on demand."""
        self._lock = threading.RLock()

    def __enter__(self) -> Self:
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self.run.close()
        assert self.broken == [], f"the loopback Google itself failed: {self.broken}"

    @property
    def url(self) -> str:
        """What PLEXCTL_GOOGLE_URL is set to."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send plexctl here."""
        return {"PLEXCTL_GOOGLE_URL": self.url, "GOOGLE_CLOUD_PROJECT": self.books.project}

    def now(self) -> float:
        """Return the time at Google, in seconds since the epoch."""
        return self._clock() + self.ahead_s

    def advance(self, seconds: float) -> None:
        """Let the clock go on."""
        self.ahead_s += seconds

    def fail(self, fault: Fault) -> Fault:
        """Let something go wrong from now on."""
        self.faults.append(fault)
        return fault

    def answer(self, verb: str, target: str, headers: Mapping[str, str], content: bytes) -> Json | None:
        """Answer a request; None: the connection is closed without an answer. Raises RefusedError."""
        parts = urlsplit(target)
        query = parse_qs(parts.query, keep_blank_values=True)
        is_upload = parts.path.startswith("/upload/")
        body = json.loads(content) if content and not is_upload else None
        known = _described(verb, parts.path, query, body, is_upload=is_upload)
        self.requests.append(Seen(verb, target, headers, content, known.method if known else ""))
        if known is None:
            raise RefusedError(400, f"no method is called by {verb} {parts.path}")
        if known.complaints:
            raise RefusedError(400, f"Invalid JSON payload received. {'; '.join(known.complaints)}")
        fault = next((one for one in self.faults if one.strikes(known.method)), None)
        if fault is not None:
            time.sleep(fault.seconds)
            if fault.refusal is not None:
                raise fault.refusal
            if fault.how is How.GONE:
                return None
            if fault.how is How.IGNORED:
                return _done_at_once(known.host)
        self._admit(known)
        asked = Request(known.method, known.params, query, body if known.body is None else known.body, content)
        with self._lock:
            answer = self._do(asked)
        return None if fault is not None and fault.how is How.LOST else answer

    def _admit(self, known: Judged) -> None:
        """Refuse another project, an API that is off, and what the caller may not."""
        project = known.params.get("projectsId") or known.params.get("projectId") or known.params.get("v1Id1")
        if project not in (None, self.books.project, self.books.number):
            raise RefusedError(403, f"Project '{project}' not found or deleted.", "CONSUMER_INVALID")
        api = known.host.partition(".")[0]
        if api not in self.books.apis:
            words = f"{known.host} has not been used in project {self.books.number} before or it is disabled."
            raise RefusedError(403, words, "SERVICE_DISABLED")
        permission = _permission(known.method)
        if permission in self.books.lacking:
            words = f"Permission '{permission}' denied on resource (or it may not exist)."
            raise RefusedError(403, words)

    def _do(self, asked: Request) -> Json:
        answer = self._handlers[asked.method](asked)
        if asked.method.rpartition(".")[2] not in _READS and asked.method != "logging.entries.list":
            self.mutations.append(self._in_words(asked))
        return answer

    @property
    def _handlers(self) -> Mapping[str, Callable[[Request], Json]]:
        table: dict[str, Callable[[Request], Json]] = {
            name: partial(handler, self.books) for name, handler in _HANDLERS.items()
        }
        services = "run.projects.locations.services"
        run = self.run
        verbs = {"create": run.create, "patch": run.patch, "get": run.get, "list": run.list_all, "delete": run.delete}
        table |= {f"{services}.{verb}": handler for verb, handler in verbs.items()}
        table["cloudbuild.projects.builds.create"] = self._build
        return table

    def _build(self, asked: Request) -> Json:
        answer = image_apis.create_build(self.books, asked, self.now(), self.build_failure)
        for line in (self.build_failure or {"lines": ["Step 1/1 : FROM base", "DONE"]})["lines"]:
            image_apis.log_entry(self.books, answer["metadata"]["build"]["id"], line, self.now())
        return answer

    def _in_words(self, asked: Request) -> str:
        if asked.method in ("storage.buckets.insert", "storage.buckets.delete"):
            name = asked.params.get("bucket") or asked.json["name"]
            verb = "create" if asked.method.endswith("insert") else "delete"
            return f"{verb} {name.rpartition('-')[2]}-bucket {name}"
        verb, kind = _KINDS.get(asked.method, (asked.method.rpartition(".")[2], asked.method))
        query = {key: values[0] for key, values in asked.query.items() if key.endswith("Id") or key == "name"}
        names = [*query.values(), *reversed(list(asked.params.values()))]
        return f"{verb} {kind} {names[0]}"


def _done_at_once(host: str) -> Json:
    """Return an answer that says that everything is done."""
    if host.startswith("run"):
        return {"name": "operations/x", "done": True, "response": {"@type": SERVICE_TYPE}}
    return {"done": True, "response": {}} if host.startswith("artifact") else {}


def _described(verb: str, path: str, query: Mapping[str, Any], body: Any, *, is_upload: bool) -> Judged | None:
    undescribed = _UNDESCRIBED.get((verb, path.rpartition("/")[2]))
    if undescribed is not None:
        return Judged(*undescribed, {"projectsId": path.split("/")[3]}, ())
    return judge(verb, path, query, body, is_upload=is_upload)


def _permission(method: str) -> str:
    """Return the permission that a method asks for, near enough to Google's."""
    api, *_, resource, verb = method.split(".")
    known = {
        "batchEnable": "serviceusage.services.enable",
        "addVersion": "secretmanager.versions.add",
        "insert": f"storage.{resource}.create",
    }
    return known.get(verb, f"{api}.{resource}.{verb}")


_HANDLERS: Mapping[str, Callable[[Books, Request], Json]] = {
    "serviceusage.services.batchGet": project_apis.batch_get,
    "serviceusage.services.batchEnable": project_apis.batch_enable,
    "serviceusage.operations.get": image_apis.get_operation,
    "run.projects.locations.operations.get": image_apis.get_operation,
    "artifactregistry.projects.locations.operations.get": image_apis.get_operation,
    "cloudresourcemanager.projects.get": project_apis.get_project,
    "cloudresourcemanager.projects.testIamPermissions": project_apis.test_permissions,
    "cloudquotas.quotaInfos.list": project_apis.quota_infos,
    "monitoring.timeSeries.list": project_apis.time_series,
    "logging.entries.list": project_apis.list_entries,
    "run.projects.locations.services.getIamPolicy": store_apis.get_policy,
    "run.projects.locations.services.setIamPolicy": store_apis.set_policy,
    "secretmanager.projects.secrets.create": store_apis.create_secret,
    "secretmanager.projects.secrets.get": store_apis.get_secret,
    "secretmanager.projects.secrets.list": store_apis.list_secrets,
    "secretmanager.projects.secrets.patch": store_apis.patch_secret,
    "secretmanager.projects.secrets.delete": store_apis.delete_secret,
    "secretmanager.projects.secrets.addVersion": store_apis.add_version,
    "secretmanager.projects.secrets.versions.access": store_apis.access_version,
    "secretmanager.projects.secrets.getIamPolicy": store_apis.get_policy,
    "secretmanager.projects.secrets.setIamPolicy": store_apis.set_policy,
    "storage.buckets.insert": store_apis.insert_bucket,
    "storage.buckets.get": store_apis.get_bucket,
    "storage.buckets.list": store_apis.list_buckets,
    "storage.buckets.delete": store_apis.delete_bucket,
    "storage.buckets.getIamPolicy": store_apis.get_policy,
    "storage.buckets.setIamPolicy": store_apis.set_policy,
    "storage.objects.insert": store_apis.insert_object,
    "storage.objects.get": store_apis.get_object,
    "storage.objects.list": store_apis.list_objects,
    "storage.objects.delete": store_apis.delete_object,
    "storage.folders.list": store_apis.list_folders,
    "storage.folders.delete": store_apis.delete_folder,
    "artifactregistry.projects.locations.repositories.create": image_apis.create_repository,
    "artifactregistry.projects.locations.repositories.get": image_apis.get_repository,
    "artifactregistry.projects.locations.repositories.list": image_apis.list_repositories,
    "artifactregistry.projects.locations.repositories.delete": image_apis.delete_repository,
    "artifactregistry.projects.locations.repositories.packages.get": image_apis.get_package,
    "artifactregistry.projects.locations.repositories.packages.list": image_apis.list_packages,
    "artifactregistry.projects.locations.repositories.packages.delete": image_apis.delete_package,
    "artifactregistry.projects.locations.repositories.packages.tags.get": image_apis.get_tag,
    "cloudbuild.projects.builds.get": image_apis.get_build,
    "cloudbuild.projects.builds.list": image_apis.list_builds,
    "cloudbuild.projects.builds.cancel": image_apis.cancel_build,
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    disable_nagle_algorithm = True
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing of callers that went away."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, google: Google, *arguments: Any) -> None:
        self._google = google
        super().__init__(*arguments)

    def handle_one_request(self) -> None:
        """Read a request, whatever its verb, and answer in one piece."""
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers: Mapping[str, str] = {}
        try:
            answer = self._google.answer(self.command, self.path, dict(self.headers.items()), content)
            code = 200
        except RefusedError as error:
            code, answer, headers = error.code, error.body, error.headers
        except Exception as error:  # noqa: BLE001 - told at the end of the test, whatever the caller made of it
            self._google.broken.append(f"{self.command} {self.path}: {error!r}")
            code, answer = 500, {}
        if answer is None:
            self.close_connection = True
            return
        text = json.dumps(answer).encode()
        more = "".join(f"{key}: {value}\r\n" for key, value in headers.items())
        head = f"HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n{more}\r\n"
        self.wfile.write(head.encode() + text)
