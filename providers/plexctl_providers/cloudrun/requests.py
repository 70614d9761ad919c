"""What a deployment on Cloud Run is made of, as API calls in their order. No I/O, no SDK."""

from __future__ import annotations

from plexctl.model import KEEP, Offer, Plan, PlannedResource, Step
from plexctl.spec import Spec
from plexctl_providers._common.settings import ECHO, choose_engine, label, secret_names
from plexctl_providers.cloudrun import surroundings
from plexctl_providers.cloudrun.accelerators import accelerator_name, cpu_and_memory_gib, region_of
from plexctl_providers.cloudrun.findings import check
from plexctl_providers.cloudrun.names import PROJECT_NUMBER, project, tagged_image, weights_bucket
from plexctl_providers.cloudrun.service import service_call

SERVICE = "service"

__all__ = ["SERVICE", "build_plan", "check"]


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out everything from the APIs to the invoker. Secret values and what Google will answer are placeholders."""
    engine = choose_engine(spec, offer)
    secrets = secret_names(spec, engine)
    builds = spec.image.name is None
    resources = [surroundings.apis(spec, builds=builds), *surroundings.secrets(spec, offer, secrets)]
    if builds:
        resources += surroundings.image(spec, offer)
    if _has_bucket(spec, engine):
        resources += surroundings.weights(spec, offer)
    resources.append(PlannedResource(SERVICE, label(spec), service_call(spec, offer)))
    if not spec.cloudrun.private:
        resources.append(surroundings.invoker(spec, offer))
    return Plan(
        provider="cloudrun",
        deployment=spec.name,
        offer=offer,
        steps=tuple(_steps(spec, offer, engine)),
        resources=tuple(resources),
        secrets=secrets,
        place=f"{project(spec)}/{region_of(offer)}",
    )


def _has_bucket(spec: Spec, engine: str) -> bool:
    return engine != ECHO and spec.cloudrun.weights == "bucket"


def _steps(spec: Spec, offer: Offer, engine: str) -> list[Step]:
    steps = [Step("enable", "APIs", f"in project {project(spec)}; they stay enabled")]
    if spec.cloudrun.service_account is None:
        steps.append(Step("read", "project", f"{PROJECT_NUMBER}, for its default service account"))
    names = ", ".join(secret_names(spec, engine))
    steps.append(Step("create", "secrets", f"{names}; the service's account may read them"))
    if spec.image.name is None:
        steps += _build_steps(spec, offer)
    if _has_bucket(spec, engine):
        owned = "yours, left as it is" if spec.cloudrun.bucket else f"in {region_of(offer)}; it goes with a destroy"
        detail = f"for the weights, about 0.35 USD a month; {owned}"
        steps.append(Step("create", f"bucket {weights_bucket(spec)}", detail))
    elif engine != ECHO:
        steps.append(Step("fetch", "weights", "into memory at each cold start, at the GPU's price"))
    return steps + _service_steps(spec, offer)


def _build_steps(spec: Spec, offer: Offer) -> list[Step]:
    return [
        Step(KEEP, f"repository {spec.cloudrun.repository}", "in Artifact Registry, made unless it is there; shared"),
        Step("upload", "source", "the folder image/, unless its image is built"),
        Step("build", "image", tagged_image(spec, offer)),
        Step("wait", "build", "its digest is what the service runs"),
    ]


def _service_steps(spec: Spec, offer: Offer) -> list[Step]:
    cpu, memory_gib = cpu_and_memory_gib(spec, offer)
    gpu = accelerator_name(spec, offer) or "no GPU"
    run = spec.cloudrun
    size = f"{gpu}, {cpu} CPU, {memory_gib} GiB; {run.min_instances} to {run.max_instances} instances"
    ready = f"/health says ready within {spec.limits.start_timeout_s:g} s; until then the gateway says 503"
    steps = [
        Step("create", f"service {label(spec)}", f"{size}, in {region_of(offer)}"),
        Step("wait", "service", "terminalCondition; its message is what quota and capacity say"),
    ]
    if not run.private:
        steps.append(Step("allow", "callers", "everyone, as the gateway asks for its token"))
    return [*steps, Step("wait", "engine", ready), Step("probe", "endpoint", "speech is sent and heard")]
