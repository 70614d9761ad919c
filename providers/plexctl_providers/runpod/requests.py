"""The plan of a RunPod deployment: one pod, and every action that makes it talk. No I/O."""

from __future__ import annotations

from plexctl.images import PORT
from plexctl.model import Offer, Plan, PlannedResource, Step
from plexctl.spec import Spec
from plexctl_providers._common.offers import gpu_of
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import label
from plexctl_providers.runpod.bodies import (
    POD_ID,
    PODS,
    VOLUMES,
    data_centers,
    mounts,
    pod_body,
    supplied_secrets,
)
from plexctl_providers.runpod.checks import check

__all__ = ["POD", "build_plan", "check"]

POD = "pod"
"""The kind of the one resource."""


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out the one pod. Raises PreflightError for a GPU that no image can serve."""
    ends = {} if spec.limits.ttl_s is None else {"ttl_s": spec.limits.ttl_s}
    body = {"method": "POST", "path": PODS, "json": pod_body(spec, offer), **ends}
    return Plan(
        provider="runpod",
        deployment=spec.name,
        offer=offer,
        steps=_steps(spec, offer),
        resources=(PlannedResource(POD, label(spec), body),),
        secrets=supplied_secrets(spec, offer),
    )


def public_host(spec: Spec) -> str:
    """Return where callers go: RunPod's proxy, or what the pod will say of its TCP port."""
    if spec.runpod.expose == "http":
        return f"https://{placeholder(POD_ID)}-{PORT}.proxy.runpod.net"
    return f"runtime.ports of the pod (private port {PORT}), with the certificate that its log names,"


def _steps(spec: Spec, offer: Offer) -> tuple[Step, ...]:
    pod = f"{PODS}/{placeholder(POD_ID)}"
    where = ", ".join(data_centers(spec, offer)) or "any data centre"
    gpu = f"{offer.count} x {gpu_of(offer)}" if offer.gpu else "GPU"
    catalog = "GET /v2/catalog/gpus?include=AVAILABILITY&product=POD"
    return (
        Step("look up", label(spec), f"GET {PODS}: a pod of that name is adopted, never made twice"),
        Step("look up", gpu, f"{catalog}: in stock, {spec.runpod.cloud} cloud, {where}"),
        *_volume_step(spec, offer),
        Step("create", POD, f"POST {PODS}"),
        Step("wait", POD, f"GET {pod} until RUNNING, which is not yet ready"),
        Step("wait", "gateway", f"/health at {public_host(spec)} until an engine is ready"),
        Step("probe", "voice", "a conversation through the same address"),
    )


def _volume_step(spec: Spec, offer: Offer) -> tuple[Step, ...]:
    """Say where the pod goes that a network volume is mounted to: the volume cannot follow it."""
    if "network" not in mounts(spec, offer):
        return ()
    detail = f"GET {VOLUMES}/{spec.runpod.network_volume}: its data centre is the pod's"
    return (Step("look up", "network volume", detail),)
