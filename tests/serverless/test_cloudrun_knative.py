"""service.yaml says what the v2 body says: every setting of either is in the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from tests.serverless.discovery import complaints, document
from tests.serverless.variants import VARIANTS, files_of, plan_of

YAML: Any = import_module("yaml")  # without types of its own
every_variant = pytest.mark.parametrize("variant", VARIANTS)
T2, C2 = "template", "template/containers/0"
T1, C1 = "spec/template", "spec/template/spec/containers/0"
A1 = f"{T1}/metadata/annotations"


def word(value: Any) -> str:
    """Return a value as an annotation has it."""
    return str(value).lower()


def last(value: str) -> str:
    """Return the last word of one of v2's, such as gen2."""
    return value.rpartition("_")[2].lower()


RULES: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("labels/(.+)", r"metadata/labels/\1", str),
    ("ingress", "metadata/annotations/run.googleapis.com~ingress", last),
    ("scaling/minInstanceCount", "metadata/annotations/run.googleapis.com~minScale", word),
    (f"{T2}/labels/(.+)", rf"{T1}/metadata/labels/\1", str),
    (f"{T2}/executionEnvironment", f"{A1}/run.googleapis.com~execution-environment", last),
    (f"{T2}/scaling/maxInstanceCount", f"{A1}/autoscaling.knative.dev~maxScale", word),
    (f"{T2}/sessionAffinity", f"{A1}/run.googleapis.com~sessionAffinity", word),
    (f"{T2}/gpuZonalRedundancyDisabled", f"{A1}/run.googleapis.com~gpu-zonal-redundancy-disabled", word),
    (f"{C2}/resources/cpuIdle", f"{A1}/run.googleapis.com~cpu-throttling", word),
    (f"{C2}/resources/startupCpuBoost", f"{A1}/run.googleapis.com~startup-cpu-boost", word),
    (f"{T2}/timeout", f"{T1}/spec/timeoutSeconds", lambda value: int(value.removesuffix("s"))),
    (f"{T2}/maxInstanceRequestConcurrency", f"{T1}/spec/containerConcurrency", int),
    (f"{T2}/serviceAccount", f"{T1}/spec/serviceAccountName", str),
    (f"{T2}/nodeSelector/accelerator", f"{T1}/spec/nodeSelector/run.googleapis.com~accelerator", str),
    (f"{C2}/env/([0-9]+)/valueSource/secretKeyRef/secret", rf"{C1}/env/\1/valueFrom/secretKeyRef/name", str),
    (f"{C2}/env/([0-9]+)/valueSource/secretKeyRef/version", rf"{C1}/env/\1/valueFrom/secretKeyRef/key", str),
    (f"{C2}/((image|ports|env|resources/limits|volumeMounts|startupProbe|livenessProbe).*)", rf"{C1}/\1", lambda v: v),
    (f"{T2}/volumes/([0-9]+)/emptyDir/medium", rf"{T1}/spec/volumes/\1/emptyDir/medium", str.capitalize),
    (f"{T2}/volumes/([0-9]+)/gcs/readOnly", rf"{T1}/spec/volumes/\1/csi/readOnly", bool),
    (f"{T2}/volumes/([0-9]+)/gcs/bucket", rf"{T1}/spec/volumes/\1/csi/volumeAttributes/bucketName", str),
    (f"{T2}/volumes/([0-9]+)/((name|emptyDir/sizeLimit))", rf"{T1}/spec/volumes/\1/\2", str),
    ("traffic/([0-9]+)/type", r"spec/traffic/\1/latestRevision", lambda value: value.endswith("_LATEST")),
    ("traffic/([0-9]+)/percent", r"spec/traffic/\1/percent", int),
)
"""Where v2 says something, where v1 says the same, and how it is spelt there."""


def leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every setting with its path; a slash within a key is a tilde."""
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, f"{at}/{str(key).replace('/', '~')}".lstrip("/"))
    else:
        yield at, value


def said_in_v1(at: str, value: Any) -> tuple[str, Any]:
    """Return where and how v1 says a setting of v2's."""
    for pattern, place, spelt in RULES:
        if re.fullmatch(pattern, at):
            return re.sub(f"^{pattern}$", place, at), spelt(value)
    raise AssertionError(f"nothing says how v1 spells {at}")


def rendered(variant: str) -> dict[str, Any]:
    """Return the rendered service.yaml, parsed."""
    found: dict[str, Any] = YAML.safe_load(files_of("cloudrun", variant)["service.yaml"])
    return found


@every_variant
def test_both_shapes_say_the_same(variant: str) -> None:
    """Nothing is in one and not in the other, and nothing is spelt differently."""
    (service,) = [one for one in plan_of("cloudrun", variant).resources if one.kind == "service"]
    v2 = dict(leaves(service.body["json"]))
    options = {key: v2.pop(key) for key in list(v2) if "mountOptions" in key}
    expected = dict(said_in_v1(at, value) for at, value in v2.items())
    v1 = dict(leaves(rendered(variant)))
    if options:
        expected[f"{T1}/spec/volumes/0/csi/volumeAttributes/mountOptions"] = ",".join(options.values())
        expected[f"{T1}/spec/volumes/0/csi/driver"] = "gcsfuse.run.googleapis.com"
    assert (v1.pop("apiVersion"), v1.pop("kind")) == ("serving.knative.dev/v1", "Service")
    assert v1.pop("metadata/name") == service.name
    assert v1 == expected


@every_variant
def test_google_knows_the_knative_shape(variant: str) -> None:
    """No key of service.yaml is unknown to v1, and each annotation is listed for the resource that it is on."""
    spec, service = document("cloudrun-v1"), rendered(variant)
    assert complaints(service, {"$ref": "Service"}, spec["schemas"]) == []
    listed = spec["annotations"]
    assert all("Service" in listed[name] for name in service["metadata"]["annotations"])
    assert all("Revision" in listed[name] for name in service["spec"]["template"]["metadata"]["annotations"])


@pytest.mark.parametrize("variant", ["default", "full", "echo"])
def test_google_knows_the_build(variant: str) -> None:
    """cloudbuild.yaml is the planned build but for its source, which gcloud uploads itself."""
    build = YAML.safe_load(files_of("cloudrun", variant)["cloudbuild.yaml"])
    spec = document("cloudbuild-v1")
    assert complaints(build, {"$ref": "Build"}, spec["schemas"]) == []
    (planned,) = [one.body["json"] for one in plan_of("cloudrun", variant).resources if one.kind == "image"]
    assert isinstance(planned, dict)
    assert build == {key: value for key, value in planned.items() if key != "source"}
