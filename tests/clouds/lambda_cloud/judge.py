"""Lambda's own OpenAPI description as the judge of what is sent and of what the loopback cloud answers."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

_SPEC = Path(__file__).with_name("specs") / "lambda-1.10.0.json"
BASE = "/api/v1"


def template_of(method: str, path: str) -> str | None:
    """Return the described path that a request's path is one of; None for what is not described."""
    for template, operations in described()["paths"].items():
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(template))
        if method.lower() in operations and re.fullmatch(pattern, path):
            return str(template)
    return None


def judge_request(method: str, template: str, body: object) -> list[str]:
    """Return what is wrong with a request's body; a stray field is."""
    schema = described()["paths"][template][method.lower()].get("request")
    if schema is None:
        return [] if body is None else ["a body where none is described"]
    wrong = _wrong(schema, body)
    known, given = set(schema["properties"]), set(body) if isinstance(body, dict) else set()
    return wrong + [f"{name} is not described" for name in sorted(given - known)]


def judge_answer(method: str, template: str, status: int, body: object) -> list[str]:
    """Return what is wrong with an answer; a status that is not described is."""
    schema = described()["paths"][template][method.lower()]["responses"].get(str(status))
    return [f"{status} is not described"] if schema is None else _wrong(schema, body)


@cache
def described() -> dict[str, Any]:
    """Return the description."""
    content: dict[str, Any] = json.loads(_SPEC.read_text(encoding="utf-8"))
    return content


def _wrong(schema: dict[str, Any], body: object) -> list[str]:
    whole = {**schema, "components": described()["components"]}
    return [f"{error.json_path}: {error.message[:200]}" for error in Draft202012Validator(whole).iter_errors(body)]
