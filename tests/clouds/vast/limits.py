"""What Vast publishes of its limits, held against what comes in.

Sources: the rate limits and input validation in vast-ai/docs at c624622 (measured notes: the 429 is plain text, without
Retry-After); bodies: `tests/marketplaces/specs/vast-bodies.json`, cut from its openapi.yaml, which names its source.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

INTERVALS_S = {
    "create": 4.5,
    "destroy": 3.0,
    "show": 2.0,
    "list": 1.0,
    "manage": 1.0,
    "restart": 1.0,
    "secrets": 3.0,
}
SEARCHES, SEARCH_WINDOW_S = 10, 60.0
MOST_COMMAND, MOST_VARIABLE, MOST_ENVIRONMENT = 4096, 256, 32_768
MOST_IMAGE, MOST_LABEL, MOST_PORTS, LEAST_DISK_GB = 1024, 256, 64, 8
_SPEC = Path(__file__).parents[2] / "marketplaces" / "specs" / "vast-bodies.json"


@cache
def _validator(schema: str) -> Draft202012Validator:
    content = json.loads(_SPEC.read_text(encoding="utf-8"))
    described: Resource[Any] = Resource.from_contents(content, default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource("urn:described", described)
    return Draft202012Validator({"$ref": f"urn:described#/components/schemas/{schema}"}, registry=registry)


def misfits(schema: str, body: object) -> list[str]:
    """Return what the description says is wrong with a body."""
    return [error.message for error in _validator(schema).iter_errors(body)]


def beyond(body: Mapping[str, Any]) -> list[str]:
    """Return which limits a create goes beyond."""
    env: Mapping[str, str] = body.get("env") or {}
    command = " ".join(body.get("args") or ()) + (body.get("args_str") or "") + (body.get("onstart") or "")
    checks = {
        "args and onstart": len(command) > MOST_COMMAND,
        "an item of env": any(len(name) + len(value) + 1 > MOST_VARIABLE for name, value in env.items()),
        "env": sum(len(name) + len(value) + 1 for name, value in env.items()) > MOST_ENVIRONMENT,
        "image": len(body["image"]) > MOST_IMAGE,
        "label": len(body.get("label") or "") > MOST_LABEL,
        "disk": body.get("disk", LEAST_DISK_GB) < LEAST_DISK_GB,
        "ports": sum(name.startswith("-p ") for name in env) > MOST_PORTS,
    }
    return [name for name, is_beyond in checks.items() if is_beyond]
