"""RunPod's own OpenAPI description as the judge of what is sent and of what the loopback cloud answers."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_SPEC = Path(__file__).with_name("specs") / "rest-v2.json"


def judge(schema: str, body: object) -> list[str]:
    """Return what is wrong with a body; a stray field is."""
    return [f"{error.json_path}: {error.message[:200]}" for error in _validator(schema).iter_errors(body)]


@cache
def _validator(schema: str) -> Draft202012Validator:
    content = json.loads(_SPEC.read_text(encoding="utf-8"))
    described: Resource[Any] = Resource.from_contents(content, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:runpod", described)
    return Draft202012Validator({"$ref": f"urn:runpod#/components/schemas/{schema}"}, registry=registry)
