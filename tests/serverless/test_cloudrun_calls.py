"""Every call of a plan for Cloud Run, judged by Google's own descriptions of its APIs."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from tests.serverless.discovery import complaints_about_call
from tests.serverless.variants import VARIANTS, files_of, offer_of, plan_of, spec_of

from plexctl.registry import pure_half

every_variant = pytest.mark.parametrize("variant", VARIANTS)


def service_of(values: dict[str, Any], variant: str = "default") -> dict[str, Any]:
    """Return the Service that a spec becomes."""
    plan = pure_half("cloudrun").build_plan(spec_of("cloudrun", values), offer_of("cloudrun", variant))
    (found,) = [one for one in plan.resources if one.kind == "service"]
    return dict(found.body["json"])  # type: ignore[call-overload, no-any-return]


@every_variant
def test_google_knows_every_call(variant: str) -> None:
    """No call, no query parameter and no key at any depth is unknown; every type and every enum is right."""
    for resource in plan_of("cloudrun", variant).resources:
        assert complaints_about_call(resource.body) == [], resource.name


@pytest.mark.parametrize(
    ("path", "value", "complaint"),
    [
        ((), {"gpu": 1}, ".gpu: unknown"),
        (("template", "containers", 0, "resources"), {"cpuThrottling": False}, "cpuThrottling: unknown"),
        (("template",), {"timeout": 3600}, ".template.timeout: no string"),
        (("template",), {"timeout": "1h"}, "is no google-duration"),
        (("template", "scaling"), {"maxInstanceCount": "1"}, "no integer"),
        (("template", "scaling"), {"maxInstanceCount": True}, "no integer"),
        ((), {"ingress": "ALL"}, "is none of"),
        ((), {"uri": "https://x"}, "only Google writes it"),
        (("template", "containers", 0), {"env": {"A": "b"}}, "no array"),
    ],
)
def test_the_judge_refuses_what_google_would(path: tuple[Any, ...], value: dict[str, Any], complaint: str) -> None:
    """What judges our calls does refuse: unknown keys, wrong types, wrong words, what is not ours to write."""
    (service,) = [one for one in plan_of("cloudrun", "default").resources if one.kind == "service"]
    call = copy.deepcopy(dict(service.body))
    place: Any = call["json"]
    for step in path:
        place = place[step]
    place.update(value)
    (found,) = complaints_about_call(call)
    assert complaint in found


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"path": "/v2/projects/p/services"}, "no method"),
        ({"method": "PUT"}, "no method"),
        ({"host": "run.example.com"}, "no method"),
        ({"query": {"service_id": "x"}}, "query: unknown service_id"),
    ],
)
def test_the_judge_knows_paths(change: dict[str, Any], complaint: str) -> None:
    """A path, verb, host or parameter that no method has is refused."""
    (service,) = [one for one in plan_of("cloudrun", "default").resources if one.kind == "service"]
    (found,) = complaints_about_call({**service.body, **change})
    assert complaint in found


@pytest.mark.parametrize(
    ("variant", "secrets", "others"),
    [
        ("default", 2, "repository source-bucket source image weights-bucket weights-access service invoker"),
        ("full", 3, "repository source-bucket source image service"),
        ("echo", 1, "repository source-bucket source image service invoker"),
        ("given", 2, "weights-access service invoker"),
    ],
)
def test_everything_that_will_exist_is_planned_in_order(variant: str, secrets: int, others: str) -> None:
    """Nothing is used before it is made; what is not needed is not made."""
    expected = ["apis", *(["secret", "secret-version", "secret-access"] * secrets), *others.split()]
    assert [one.kind for one in plan_of("cloudrun", variant).resources] == expected


@every_variant
def test_requests_json_is_the_plan(variant: str) -> None:
    """The file has the plan's own bodies, in order, and nothing else."""
    plan = plan_of("cloudrun", variant)
    shown = json.loads(files_of("cloudrun", variant)["requests.json"])
    assert shown == [{"resource": f"{one.kind} {one.name}", **one.body} for one in plan.resources]


def test_the_service_by_default() -> None:
    """One L4, room for the weights, a start-up probe that does not wait for them, an hour for a conversation."""
    service = service_of({"engine": "personaplex", "cloudrun": {"project": "my-project"}})
    template = service["template"]
    (container,) = template.pop("containers")
    labels = {"managed-by": "plexctl", "plexctl-name": "personaplex", "plexctl-id": "${PLEXCTL_ID}"}
    assert template == {
        "labels": labels,
        "executionEnvironment": "EXECUTION_ENVIRONMENT_GEN2",
        "scaling": {"maxInstanceCount": 1},
        "timeout": "3600s",
        "maxInstanceRequestConcurrency": 16,
        "sessionAffinity": True,
        "nodeSelector": {"accelerator": "nvidia-l4"},
        "gpuZonalRedundancyDisabled": True,
        "volumes": [
            {
                "name": "cache",
                "gcs": {
                    "bucket": "plexctl-personaplex-${PLEXCTL_ID}-weights",
                    "readOnly": False,
                    "mountOptions": ["dir-mode=777", "file-mode=666"],
                },
            }
        ],
    }
    env = {one["name"]: one.get("value") or one["valueSource"] for one in container.pop("env")}
    livez = {"path": "/livez", "port": 8998}
    repository = "europe-west4-docker.pkg.dev/my-project/plexctl"
    assert container == {
        "image": f"{repository}/plexctl-personaplex-${{PLEXCTL_ID}}@${{PLEXCTL_IMAGE_DIGEST}}",
        "ports": [{"name": "http1", "containerPort": 8998}],
        "resources": {
            "limits": {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"},
            "cpuIdle": False,
            "startupCpuBoost": True,
        },
        "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
        "startupProbe": {"httpGet": livez, "periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 24},
        "livenessProbe": {"httpGet": livez, "periodSeconds": 30, "timeoutSeconds": 10, "failureThreshold": 4},
    }
    secret = {"secret": "plexctl-personaplex-${PLEXCTL_ID}-PLEXCTL_TOKEN", "version": "latest"}
    assert env["PLEXCTL_TOKEN"] == {"secretKeyRef": secret}
    assert env["PLEXCTL_MAX_SESSION_S"] == "3540"


def test_probes_stay_within_what_is_documented() -> None:
    """Start-up: period times failures at most 240 s; a time-out is shorter than its period."""
    (container,) = service_of({"engine": "personaplex"})["template"]["containers"]
    start = container["startupProbe"]
    assert start["periodSeconds"] * start["failureThreshold"] <= 240
    assert all(probe["timeoutSeconds"] < probe["periodSeconds"] for probe in (start, container["livenessProbe"]))


@pytest.mark.parametrize(
    ("values", "variant", "limits"),
    [
        ({}, "default", {"cpu": "8", "memory": "32Gi", "nvidia.com/gpu": "1"}),
        ({}, "full", {"cpu": "20", "memory": "80Gi", "nvidia.com/gpu": "1"}),
        ({"cpu": 4, "memory_gib": 16}, "default", {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": "1"}),
    ],
)
def test_each_gpu_gets_what_it_asks_for(values: dict[str, Any], variant: str, limits: dict[str, str]) -> None:
    """CPU and memory follow from the GPU, unless they are set."""
    service = service_of({"engine": "personaplex", "cloudrun": values}, variant)
    assert service["template"]["containers"][0]["resources"]["limits"] == limits


def test_echo_asks_for_no_gpu() -> None:
    """A trial takes one CPU, no accelerator, no volume, no token of the Hub's."""
    template = service_of({"engine": "echo"})["template"]
    (container,) = template["containers"]
    assert container["resources"]["limits"] == {"cpu": "1", "memory": "1Gi"}
    assert not {"nodeSelector", "gpuZonalRedundancyDisabled", "volumes"} & set(template)
    assert "volumeMounts" not in container
    assert "HF_TOKEN" not in {one["name"] for one in container["env"]}


def test_weights_in_memory_are_a_volume_of_memory() -> None:
    """The cache then is memory of the instance, with room for the weights."""
    template = service_of({"engine": "personaplex", "cloudrun": {"weights": "memory"}})["template"]
    assert template["volumes"] == [{"name": "cache", "emptyDir": {"medium": "MEMORY", "sizeLimit": "20Gi"}}]


@pytest.mark.parametrize(("instances", "engines", "places"), [(1, "auto", 16), (1, 2, 17), (3, "auto", 4), (3, 2, 5)])
def test_an_instance_takes_more_requests_than_callers(instances: int, engines: object, places: int) -> None:
    """Health checks and page loads have places beside the callers; fewer where callers may go to another instance."""
    values = {"gateway": {"engines": engines}, "cloudrun": {"max_instances": instances}}
    assert service_of(values)["template"]["maxInstanceRequestConcurrency"] == places


@pytest.mark.parametrize(("asked", "sent"), [(None, "3540"), (7200, "3540"), (600, "600")])
def test_the_gateway_ends_a_conversation_before_google_does(asked: float | None, sent: str) -> None:
    """However long a conversation may last, the gateway says goodbye within Cloud Run's hour."""
    service = service_of({"gateway": {"max_session_s": asked}})
    env = {one["name"]: one.get("value") for one in service["template"]["containers"][0]["env"]}
    assert env["PLEXCTL_MAX_SESSION_S"] == sent
