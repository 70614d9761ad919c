"""The Cloud Run service of a deployment: the body of the v2 API (discovery document, revision 20261031).

Choices, with their reasons in docs/serverless.md: the start-up probe asks /livez, since a service has 480 s at most and
loading may take longer; an instance takes more requests than callers, so that health checks and page loads start no
second GPU; CPU stays allocated, as GPUs require it.
"""

from __future__ import annotations

from msgspec import structs

from plexctl.images import CACHE, PORT
from plexctl.model import Offer
from plexctl.spec import Spec
from plexctl_providers._common.settings import ECHO, choose_engine, label, labels, remote_settings, secret_names
from plexctl_providers.cloudrun.accelerators import WEIGHTS_GIB, accelerator_name, cpu_and_memory_gib
from plexctl_providers.cloudrun.names import call, image_to_run, location, secret_id, weights_bucket

LONGEST_REQUEST_S = 3600
"""Cloud Run cuts every request after an hour, and a WebSocket is one request (docs of request time-outs)."""
LONGEST_SESSION_S = LONGEST_REQUEST_S - 60
"""The gateway says goodbye before Cloud Run cuts; the handshake is a part of the hour."""
ALONE_BESIDE_CALLERS = 15
"""Places for health checks, page loads and log readers where there is one instance, and nothing to spill to."""
BESIDE_CALLERS = 3
"""The same where a second caller should find a second instance soon: Cloud Run adds one when places run short."""
_VOLUME = "cache"
_DRAIN_S = 8
"""Cloud Run kills 10 s after its SIGTERM (container contract)."""


def service_call(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return the call that creates the service."""
    path = f"/v2/{location(spec, offer)}/services"
    made = call("run", "POST", path, service(spec, offer), {"serviceId": label(spec)})
    return made if spec.limits.ttl_s is None else made | {"ttl_s": spec.limits.ttl_s}


def service(spec: Spec, offer: Offer) -> dict[str, object]:
    """Return the Service; its minimum of instances stands outside the template, so that a change is no new revision."""
    return {
        "labels": labels(spec),
        "ingress": "INGRESS_TRAFFIC_ALL",
        "scaling": {"minInstanceCount": spec.cloudrun.min_instances},
        "template": _template(spec, offer),
        "traffic": [{"type": "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST", "percent": 100}],
    }


def concurrency(spec: Spec) -> int:
    """Return how many requests one instance takes at once, callers included."""
    callers = spec.gateway.engines if isinstance(spec.gateway.engines, int) else 1
    return callers + (ALONE_BESIDE_CALLERS if spec.cloudrun.max_instances == 1 else BESIDE_CALLERS)


def session_s(spec: Spec) -> float:
    """Return how long the gateway lets a conversation last, in seconds."""
    return min(spec.gateway.max_session_s or LONGEST_SESSION_S, LONGEST_SESSION_S)


def _template(spec: Spec, offer: Offer) -> dict[str, object]:
    gpu = accelerator_name(spec, offer)
    placed: dict[str, object] = {}
    if gpu is not None:
        placed["nodeSelector"] = {"accelerator": gpu}
        placed["gpuZonalRedundancyDisabled"] = not spec.cloudrun.zonal_redundancy
    if spec.cloudrun.service_account is not None:
        placed["serviceAccount"] = spec.cloudrun.service_account
    volumes = _volumes(spec, offer)
    return {
        "labels": labels(spec),
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
        "scaling": {"maxInstanceCount": spec.cloudrun.max_instances},
        "timeout": f"{LONGEST_REQUEST_S}s",
        "maxInstanceRequestConcurrency": concurrency(spec),
        "sessionAffinity": True,
        **placed,
        "containers": [_container(spec, offer, mounts_cache=bool(volumes))],
        **({"volumes": volumes} if volumes else {}),
    }


def _container(spec: Spec, offer: Offer, *, mounts_cache: bool) -> dict[str, object]:
    cpu, memory_gib = cpu_and_memory_gib(spec, offer)
    gpu = {} if accelerator_name(spec, offer) is None else {"nvidia.com/gpu": "1"}
    return {
        "image": image_to_run(spec, offer),
        "ports": [{"name": "http1", "containerPort": PORT}],
        "env": _env(spec, choose_engine(spec, offer)),
        "resources": {
            "limits": {"cpu": f"{cpu}", "memory": f"{memory_gib}Gi", **gpu},
            "cpuIdle": False,
            "startupCpuBoost": True,
        },
        **({"volumeMounts": [{"name": _VOLUME, "mountPath": CACHE}]} if mounts_cache else {}),
        "startupProbe": _probe(period_s=10, timeout_s=5, failures=24),
        "livenessProbe": _probe(period_s=30, timeout_s=10, failures=4),
    }


def _probe(*, period_s: int, timeout_s: int, failures: int) -> dict[str, object]:
    """Return a probe of /livez; for a start, period times failures may be 240 s at most."""
    return {
        "httpGet": {"path": "/livez", "port": PORT},
        "periodSeconds": period_s,
        "timeoutSeconds": timeout_s,
        "failureThreshold": failures,
    }


def _env(spec: Spec, engine: str) -> list[dict[str, object]]:
    """Return the gateway's settings, and secrets by reference."""
    gateway = structs.replace(spec.gateway, max_session_s=session_s(spec), idle_timeout_s=None)
    settings = {"PLEXCTL_DRAIN_TIMEOUT_S": f"{_DRAIN_S}"}
    settings |= remote_settings(structs.replace(spec, gateway=gateway), engine)
    plain: list[dict[str, object]] = [{"name": name, "value": value} for name, value in settings.items()]
    return plain + [
        {"name": name, "valueSource": {"secretKeyRef": {"secret": secret_id(spec, name), "version": "latest"}}}
        for name in secret_names(spec, engine)
    ]


def _volumes(spec: Spec, offer: Offer) -> list[dict[str, object]]:
    """Return the cache. In a bucket every user may write, because the image runs as one of its own."""
    if choose_engine(spec, offer) == ECHO:
        return []
    if spec.cloudrun.weights == "memory":
        return [{"name": _VOLUME, "emptyDir": {"medium": "MEMORY", "sizeLimit": f"{WEIGHTS_GIB + 4}Gi"}}]
    options = ["dir-mode=777", "file-mode=666"]
    gcs = {"bucket": weights_bucket(spec), "readOnly": False, "mountOptions": options}
    return [{"name": _VOLUME, "gcs": gcs}]
