"""A pod as RunPod tells it, and what that means for a deployment. Pure.

Source: `Pod`, `PodStatus` and `PodRuntime` of the OpenAPI description (runpod/docs at a900806).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from plexctl.images import PORT
from plexctl.model import CREATED_AT, LABEL_PREFIX, Endpoint, Ref, Resource, Status
from plexctl.secret import Secret
from plexctl.states import State
from plexctl_providers._common.ages import expiry_in, moment_of

STATE_MAP: dict[str, tuple[State, str]] = {
    "PROVISIONING": (State.CREATING, "RunPod allocates the pod"),
    "STARTING": (State.LOADING, "the container is starting: its image may have to be pulled"),
    "RUNNING": (State.LOADING, "the pod runs"),
    "EXITED": (State.STOPPED, "the pod is stopped; its disk and volume bill on"),
    "ERROR": (State.FAILED, "RunPod says ERROR: the container cannot go on"),
    "TERMINATED": (State.MISSING, "the pod was terminated"),
}
"""What RunPod calls it, as a state and words; anything else is UNKNOWN."""
_SETTLED_S = 60
"""Seconds after which a container's metrics are taken at their word: an empty list of GPUs is none."""
ENDED = ("EXITED", "ERROR")
"""Nothing of it runs, and it can be started."""
GONE = "TERMINATED"
_BAD_HOST = re.compile(
    r"OCI runtime create failed|unsatisfied condition: cuda|nvidia-container-cli|CUDA (driver|error|initialization)"
    r"|no CUDA-capable device|could not select device driver|failed to create (shim|containerd) task"
    r"|manifest (unknown|for .* not found)|pull access denied|unauthorized: authentication required"
    r"|no space left on device|error (creating|starting) container",
    re.IGNORECASE,
)
"""Texts of the system log after which a pod does not come up on its host."""
_OURS = re.compile(rf"{LABEL_PREFIX}([a-z](?:[a-z0-9-]*[a-z0-9])?)-([a-z0-9]+)")
_FINGERPRINT = re.compile(r"plexctl: tls sha256:([0-9a-f]{64})")
"""A whole line: whatever a caller or an engine says stands behind a time in the gateway's log."""
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class Pod:
    """What is kept of RunPod's answer; values of the environment that it echoes cannot be printed."""

    id: str
    name: str
    status: str
    actions: tuple[str, ...]
    ports: tuple[str, ...]
    gpus: int | None
    """How many it has; None for a pod without a word of GPUs."""
    place: str
    """Its data centre; empty when RunPod does not tell."""
    volume: str | None
    """The network volume that is mounted."""
    created_at: object
    """As RunPod writes it."""
    started_at: str | None
    mapped: tuple[str, int] | None
    """Address and port of the gateway's TCP port."""
    has_runtime: bool
    env: Mapping[str, Secret] = field(repr=False)

    @property
    def is_exposed_by_tcp(self) -> bool:
        """Whether callers come by a raw port, without RunPod's proxy."""
        return f"{PORT}/tcp" in self.ports

    @property
    def lacks_gpu(self) -> bool:
        """Whether it came back without a GPU: its host had none free."""
        return self.gpus == 0


def pod_of(answer: Mapping[str, Any]) -> Pod:
    """Return a pod of an answer. Raises what `errors.understood` takes for an answer that is none."""
    if not _ID.fullmatch(answer["id"]):
        raise ValueError("no id")
    runtime = answer.get("runtime") or {}
    gpu = answer.get("gpu")
    network = (answer.get("mounts") or {}).get("network") or []
    return Pod(
        id=answer["id"],
        name=str(answer["name"]),
        status=str(answer["status"]).upper(),
        actions=tuple(answer.get("actions") or ()),
        ports=tuple(answer.get("ports") or ()),
        gpus=_gpus(gpu, runtime),
        place=str(answer.get("dataCenterId") or ""),
        volume=next((str(one["volumeId"]) for one in network), None),
        created_at=answer.get("createdAt"),
        started_at=answer.get("startedAt"),
        mapped=_mapped(runtime.get("ports") or ()),
        has_runtime=bool(runtime),
        env={str(name): Secret(str(value)) for name, value in (answer.get("env") or {}).items()},
    )


def status_of(pod: Pod, endpoint: Endpoint | None, system: Iterable[str] = ()) -> Status:
    """Return a deployment's status by its pod, and by the last lines of the host's own log where they were read."""
    state, words = STATE_MAP.get(pod.status, (State.UNKNOWN, f"RunPod calls it {pod.status or 'nothing'}"))
    if state is State.MISSING:
        return Status(state, None, words)
    trouble = trouble_in(system)
    if trouble:
        return Status(State.FAILED, endpoint, f"the host cannot run it: {trouble}")
    if pod.status == "RUNNING" and pod.lacks_gpu:
        lost = "it started without a GPU: its host had none free; destroy it and deploy again"
        return Status(State.FAILED, endpoint, lost)
    where = f" in {pod.place}" if pod.place else ""
    if state is State.LOADING and pod.is_exposed_by_tcp and endpoint is None:
        return Status(state, None, f"{words}{where}: waiting for its port and its certificate")
    return Status(state, endpoint, f"{words}{where}" if state is not State.UNKNOWN else words)


def trouble_in(system: Iterable[str]) -> str | None:
    """Return the last line of a host's log that says why a container cannot start; None when none does."""
    found = [line for line in system if _BAD_HOST.search(line)]
    return " ".join(found[-1].split())[:300] if found else None


def fingerprint_in(lines: Iterable[str]) -> str | None:
    """Return the fingerprint of the certificate that the gateway made last, as its log tells it."""
    found = [match[1] for match in map(_FINGERPRINT.fullmatch, lines) if match]
    return f"sha256:{found[-1]}" if found else None


def proxied(pod_id: str, template: str) -> Endpoint:
    """Return where RunPod's proxy lets callers in. `template` has {pod_id} and {port}."""
    url = template.replace("{pod_id}", pod_id).replace("{port}", str(PORT)).rstrip("/")
    return _endpoint(url, "none" if url.startswith("http://") else "system")


def pinned(pod: Pod, fingerprint: str) -> Endpoint | None:
    """Return where callers of a TCP port go; None before it is mapped."""
    if pod.mapped is None:
        return None
    address, port = pod.mapped
    return _endpoint(f"https://{f'[{address}]' if ':' in address else address}:{port}", fingerprint)


def ref_of(pod: Pod, kind: str) -> Ref | None:
    """Return the deployment that a pod's name tells; None for a pod that is not plexctl's."""
    named = _OURS.fullmatch(pod.name)
    if not named:
        return None
    ages = moment_of(CREATED_AT, pod.created_at) | expiry_in({name: one.reveal() for name, one in pod.env.items()})
    return Ref("runpod", named[1], named[2], (Resource(kind, pod.name, pod.id, ages),))


def _gpus(gpu: Any, runtime: Mapping[str, Any]) -> int | None:
    if not isinstance(gpu, Mapping):
        return None
    has_none = runtime.get("gpus") == [] and int(runtime.get("uptime", 0)) >= _SETTLED_S
    return 0 if has_none else int(gpu.get("count", 1))


def _mapped(ports: Iterable[Mapping[str, Any]]) -> tuple[str, int] | None:
    for port in ports:
        if port.get("private") == PORT and port.get("type") == "tcp" and port.get("ip") and port.get("public"):
            return str(port["ip"]), int(port["public"])
    return None


def _endpoint(url: str, tls: str) -> Endpoint:
    return Endpoint(url=url, wss_url=f"ws{url.removeprefix('http')}/api/chat", tls=tls)
