"""The descriptions in `specs/` as the judge of what is sent and of what the loopback cloud answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

_SPECS = Path(__file__).with_name("specs")
INSTANCES, AI_DEPLOY = "instances", "ai-deploy"


def judge(file: str, schema: str, body: object, *, beside: tuple[str, ...] = ()) -> list[str]:
    """Return what is wrong with a body. A stray field is, but for those `beside` that the description lacks."""
    known = _schemas(file)[schema].get("properties", {})
    stray = sorted(set(body) - set(known) - set(beside)) if isinstance(body, Mapping) else []
    errors = [f"{error.json_path}: {error.message[:200]}" for error in _validator(file, schema).iter_errors(body)]
    return [*(f"$.{name}: nobody describes it" for name in stray), *errors]


@cache
def _validator(file: str, schema: str) -> Draft202012Validator:
    content = json.loads((_SPECS / f"{file}.json").read_text(encoding="utf-8"))
    described: Resource[Any] = Resource.from_contents(content, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:ovh", described)
    return Draft202012Validator({"$ref": f"urn:ovh#/components/schemas/{schema}"}, registry=registry)


@cache
def _schemas(file: str) -> dict[str, Any]:
    content = json.loads((_SPECS / f"{file}.json").read_text(encoding="utf-8"))
    schemas: dict[str, Any] = content["components"]["schemas"]
    return schemas
