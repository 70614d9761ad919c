"""An app of OVHcloud's AI Deploy: a container with a GPU, and a TLS address for it. Experimental. No I/O."""

from __future__ import annotations

from plexctl.images import PORT
from plexctl.model import Finding, Level, Offer, Plan, PlannedResource, Step
from plexctl.spec import Spec
from plexctl_providers._common.checks import check_remote
from plexctl_providers._common.offers import check_image, image_of
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import ECHO, choose_engine, label, labels, remote_settings, secret_names
from plexctl_providers.ovh.names import check_project, flavours, project_of, region_of

APP = "app"
FLAVOUR = "OVH_AI_FLAVOR"
DETAIL = "flavor"
"""What an offer's detail calls the flavour that it was read from."""


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out the one app."""
    names = secret_names(spec, choose_engine(spec, offer))
    where = f"{_flavour(offer)} in {region_of(spec, offer)}"
    return Plan(
        provider="ovh",
        deployment=spec.name,
        offer=offer,
        steps=(
            Step("read", "capabilities", f"{where}: flavour and quota, before anything is created"),
            Step("create", APP, f"{image_of(spec)} with {', '.join(names)} among its variables; billed by the minute"),
            Step("wait", APP, f"until it is RUNNING and /health says ready, {spec.limits.start_timeout_s:g} s at most"),
            Step("probe", "endpoint", "speech is sent and heard: the only proof that its edge lets WebSockets through"),
        ),
        resources=(_app(spec, offer),),
        secrets=names,
    )


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Say what holds for AI Deploy before anything is created."""
    trial = "AI Deploy is experimental here: WebSockets are no promised feature of it, and nobody tried this live"
    user = "the container runs as uid 42420, whatever the image says; plexctl's images allow that"
    disk = "nothing is kept: the weights (17 GB) are fetched again at each start"
    tokens = (
        f"{', '.join(secret_names(spec, choose_engine(spec, offer)))} will stand in the app's variables: whoever may "
    )
    tokens += "read the project's apps reads them"
    door = "the address is open to everyone, as browsers cannot show OVH's own token; plexctl's is asked for instead"
    found = [
        check_project(spec),
        Finding("product", Level.WARN, trial, 'ovh.product = "instance" is the tried way'),
        Finding("user", Level.OK, user),
        Finding("access", Level.OK, door),
        Finding("secrets", Level.WARN, tokens, "use a Hub token that may only read this one model, and end it after"),
        *check_image(spec),
        *check_remote(spec),
    ]
    if choose_engine(spec, offer) != ECHO:
        found.append(Finding("weights", Level.WARN, disk))
    if not (flavours(offer, ai_deploy=True) or offer.detail.get(DETAIL)):
        words = f"no flavour with {offer.gpu or 'that GPU'} is known there"
        found.append(Finding("flavour", Level.FAIL, words, "take L4, L40S or H100"))
    return found


def _flavour(offer: Offer) -> str:
    return offer.detail.get(DETAIL) or next(iter(flavours(offer, ai_deploy=True)), placeholder(FLAVOUR))


def _app(spec: Spec, offer: Offer) -> PlannedResource:
    engine = choose_engine(spec, offer)
    variables = remote_settings(spec, engine) | {name: placeholder(name) for name in secret_names(spec, engine)}
    body = {
        "name": label(spec),
        "region": region_of(spec, offer),
        "image": image_of(spec),
        "resources": {"flavor": _flavour(offer), **({"gpu": offer.count} if offer.gpu else {"cpu": 1})},
        "defaultHttpPort": PORT,
        "probe": {"path": "/health", "port": PORT},
        "unsecureHttp": True,
        "scalingStrategy": {"fixed": {"replicas": 1}},
        "deploymentStrategy": {"progressDeadlineSeconds": int(spec.limits.start_timeout_s)},
        "envVars": [{"name": name, "value": variables[name]} for name in sorted(variables)],
        "labels": labels(spec),
    }
    ends = {} if spec.limits.ttl_s is None else {"ttl_s": spec.limits.ttl_s}
    request = {"method": "POST", "path": f"/cloud/project/{project_of(spec)}/ai/app", "json": body, **ends}
    return PlannedResource(APP, label(spec), request)
