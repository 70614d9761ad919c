"""The plan of a Vast.ai deployment: one instance, the search that finds it a host, and what follows. No I/O."""

from __future__ import annotations

from plexctl.images import PORT
from plexctl.model import Offer, Plan, PlannedResource, Step
from plexctl.spec import Spec
from plexctl_providers._common.offers import gpu_of
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import choose_engine, label, secret_names
from plexctl_providers.vast.bodies import BUNDLES, INSTANCE_ID, INSTANCES, LOGS, ask_path, create_body, search_body
from plexctl_providers.vast.checks import check

__all__ = ["INSTANCE", "build_plan", "check"]

INSTANCE = "instance"
"""The kind of the one resource."""


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out the one instance; its body carries the search whose answers it is rented from.

    Raises PreflightError for a GPU that no image can serve.
    """
    body = {
        "method": "PUT",
        "path": ask_path(offer),
        "json": create_body(spec, offer),
        "search": {"method": "POST", "path": BUNDLES, "json": search_body(spec, offer)},
        "ttl_s": spec.limits.ttl_s,
    }
    return Plan(
        provider="vast",
        deployment=spec.name,
        offer=offer,
        steps=_steps(spec, offer),
        resources=(PlannedResource(INSTANCE, label(spec), body),),
        secrets=secret_names(spec, choose_engine(spec, offer)),
    )


def _steps(spec: Spec, offer: Offer) -> tuple[Step, ...]:
    gpu = f"{offer.count} x {gpu_of(offer)}" if offer.gpu else "GPU"
    kind = "interruptible" if spec.vast.bid_usd_per_hour else "on demand"
    one = f"/api/v0/instances/{placeholder(INSTANCE_ID)}/"
    return (
        Step("look up", label(spec), f"GET {INSTANCES}: an instance of that label is adopted, never made twice"),
        Step("search", gpu, f"POST {BUNDLES}: {kind}, the cheapest host that passes the filters"),
        Step("create", INSTANCE, f"PUT {ask_path(offer)}"),
        Step("wait", INSTANCE, f"GET {one} until actual_status is running and port {PORT} is mapped"),
        Step("read", "certificate", f"PUT {LOGS}{placeholder(INSTANCE_ID)}/: the fingerprint that the gateway printed"),
        Step("wait", "gateway", "/health at the host's address and mapped port until an engine is ready"),
        Step("probe", "voice", "a conversation through the same address"),
    )
