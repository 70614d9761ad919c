"""What a deployment on Modal is made of: volume, secret and app, and the order of the steps. No I/O, no SDK."""

from __future__ import annotations

from plexctl.model import KEEP, Offer, Plan, PlannedResource, Step
from plexctl.spec import Spec
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import ECHO, choose_engine, label, secret_names
from plexctl_providers.modal.findings import check
from plexctl_providers.modal.launch import CLASS, FETCH, app_body, environment, fetch_body, gpus

VOLUME = "volume"
SECRET = "secret"  # noqa: S105 - a kind of resource
FETCH_APP = "fetch-app"
APP = "app"

__all__ = ["APP", "FETCH_APP", "SECRET", "VOLUME", "build_plan", "check"]


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out volume, secret and apps. Secret values and the deployment's id are placeholders."""
    engine = choose_engine(spec, offer)
    secrets = secret_names(spec, engine)
    resources = [_secret(spec, secrets), PlannedResource(APP, label(spec), app_body(spec, offer))]
    if engine != ECHO:
        resources.insert(0, _volume(spec))
        resources.insert(2, PlannedResource(FETCH_APP, f"{label(spec)}-fetch", fetch_body(spec, offer)))
    return Plan(
        provider="modal",
        deployment=spec.name,
        offer=offer,
        steps=_steps(spec, offer, engine),
        resources=tuple(resources),
        secrets=secrets,
        place=spec.modal.environment or "",
    )


def _volume(spec: Spec) -> PlannedResource:
    """Return the volume for the weights, which deployments share and which outlives them."""
    name = spec.modal.volume
    body = {"call": "modal.Volume.from_name", "name": name, "create_if_missing": True, **environment(spec)}
    return PlannedResource(VOLUME, name, body)


def _secret(spec: Spec, names: tuple[str, ...]) -> PlannedResource:
    """Return the secret. `allow_existing` keeps old values: `Secret.update` with the same ones comes after it."""
    body = {
        "call": "modal.Secret.objects.create",
        "name": label(spec),
        "env_dict": {name: placeholder(name) for name in names},
        "allow_existing": True,
        **environment(spec),
    }
    return PlannedResource(SECRET, label(spec), body)


def _steps(spec: Spec, offer: Offer, engine: str) -> tuple[Step, ...]:
    image = spec.image.name or "from image/Dockerfile, on Modal's builders"
    wanted = " or ".join(gpus(spec, offer)) or "no GPU"
    kept = f"{spec.modal.min_containers} to {spec.modal.max_containers} containers"
    steps = [
        Step("create", "secret", f"{label(spec)}: {', '.join(secret_names(spec, engine))}"),
        Step("build", "image", image),
        Step("deploy", f"app {label(spec)}", f"class {CLASS} on {wanted}, {kept}"),
        Step("wait", "engine", f"/health says ready within {spec.limits.start_timeout_s:g} s; 303 and 503 are loading"),
        Step("probe", "endpoint", "speech is sent and heard"),
    ]
    if engine != ECHO:
        fetched = f"{FETCH}, without a GPU: what {spec.model.repo} has and the volume has not"
        shared = "for the weights, made unless it is there; deployments share it, and a destroy leaves it"
        steps.insert(0, Step(KEEP, f"volume {spec.modal.volume}", shared))
        steps.insert(3, Step("run", "weights", fetched))
    return tuple(steps)
