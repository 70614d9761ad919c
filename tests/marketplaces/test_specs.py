"""The bodies against the vendors' own descriptions: RunPod's as it is, Vast's as its own client is served."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from jsonschema import Draft202012Validator
from msgspec import structs
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012
from tests.marketplaces.examples import DEFAULT, ECHO, FULL, offer

from plexctl.spec import Spec
from plexctl_providers._common.placeholders import fill, names_in
from plexctl_providers.runpod.bodies import pod_body
from plexctl_providers.vast.bodies import create_body, search_body

SPECS = Path(__file__).with_name("specs")
COMMUNITY = structs.replace(DEFAULT, runpod=structs.replace(DEFAULT.runpod, cloud="community"))
EVERY = pytest.mark.parametrize("spec", [DEFAULT, FULL, ECHO, COMMUNITY], ids=["default", "full", "echo", "community"])


def judge(file: str, schema: str, body: Mapping[str, object]) -> list[str]:
    """Return what a description says is wrong with a body."""
    content = json.loads((SPECS / file).read_text(encoding="utf-8"))
    described: Resource[Any] = Resource.from_contents(content, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:described", described)
    root = {"$ref": f"urn:described#/components/schemas/{schema}"}
    return [error.message for error in Draft202012Validator(root, registry=registry).iter_errors(body)]


def filled(body: dict[str, object]) -> dict[str, object]:
    """Return the body as it is sent."""
    return cast("dict[str, object]", fill(body, dict.fromkeys(names_in(body), "filled")))


def judge_pod(body: Mapping[str, object]) -> list[str]:
    """Return what RunPod's OpenAPI says of a body of `POST /v2/pods`."""
    return judge("runpod-create-pod.json", "CreatePodRequest", body)


@EVERY
def test_runpods_own_description_accepts_the_pod(spec: Spec) -> None:
    """Rendered or filled in, the body has every field that REST v2 asks for, and none that it does not know."""
    body = pod_body(spec, offer("runpod"))
    assert judge_pod(body) == []
    assert judge_pod(filled(body)) == []


@pytest.mark.parametrize(
    "stray",
    [
        {"gpuTypeIds": ["NVIDIA GeForce RTX 4090"]},
        {"interruptible": True},
        {"imageName": "me/voice"},
        {"containerDiskInGb": 20},
        {"volumeMountPath": "/cache"},
        {"dockerStartCmd": ["serve"]},
        {"supportPublicIp": True},
        {"terminateAfter": "2026-12-01T00:00:00Z"},
        {"gpu": {"id": "NVIDIA L4", "bogus": 1}},
        {"gpu": {"id": "NVIDIA L4", "minCudaVersion": "12"}},
        {"env": {"PLEXCTL_ENGINES": 2}},
        {"mounts": {"persistent": {"size": 9, "path": "/cache"}}},
        {"cloud": "ALL"},
    ],
)
def test_runpods_description_refuses_v1_and_slips(stray: dict[str, object]) -> None:
    """The judge is awake: fields of the retired v1, unknown ones and wrong types all fail."""
    assert judge_pod(pod_body(DEFAULT, offer("runpod")) | stray)


def test_runpods_description_misses_an_image() -> None:
    """A body without an image is no pod."""
    body = pod_body(DEFAULT, offer("runpod"))
    del body["image"]
    assert judge_pod(body) == ["'image' is a required property"]


@EVERY
def test_vasts_description_accepts_both_bodies(spec: Spec) -> None:
    """Rendered or filled in, the bodies have only fields that Vast describes."""
    created, searched = create_body(spec, offer("vast")), search_body(spec, offer("vast"))
    for body in (created, filled(created)):
        assert judge("vast-bodies.json", "CreateInstance", body) == []
    assert judge("vast-bodies.json", "SearchOffers", searched) == []


@pytest.mark.parametrize(
    "stray",
    [{"onstart_cmd": "serve"}, {"runtype": "container"}, {"price": 0.0001}, {"env": {"A": 1}}, {"disk": "60"}],
)
def test_vasts_description_refuses_slips_in_the_instance(stray: dict[str, object]) -> None:
    """The judge is awake: misspelt fields and wrong values fail."""
    assert judge("vast-bodies.json", "CreateInstance", create_body(DEFAULT, offer("vast")) | stray)


@pytest.mark.parametrize("stray", [{"type": "interruptible"}, {"gpu_memory": {"gte": 1}}, {"verified": True}])
def test_vasts_description_refuses_slips_in_the_search(stray: dict[str, object]) -> None:
    """A filter that Vast does not know would silently filter nothing."""
    assert judge("vast-bodies.json", "SearchOffers", search_body(DEFAULT, offer("vast")) | stray)
