"""Google's discovery documents as judges of calls: method, path and query known, every key known, every type right.

The documents are copies of the parts that our calls need (specs/, each naming its source).
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

_SPECS = Path(__file__).with_name("specs")
_COMMON_QUERY = {"uploadType", "$alt"}
_NUMBERED = "enum-encoding=int"
"""In `$alt`: enumerations are sent by their numbers, as Google's own clients do."""
_PLACEHOLDER = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_TYPES: dict[str, tuple[type, ...]] = {"integer": (int,), "boolean": (bool,), "number": (int, float)}
_FORMATS = {
    "int64": re.compile(r"-?[0-9]+"),
    "uint64": re.compile(r"[0-9]+"),
    "google-duration": re.compile(r"[0-9]+(\.[0-9]+)?s"),
    "google-fieldmask": re.compile(r"[A-Za-z.,]+"),
}


@cache
def document(name: str) -> dict[str, Any]:
    """Return one copied document."""
    content: dict[str, Any] = json.loads((_SPECS / f"{name}.json").read_text(encoding="utf-8"))
    return content


@dataclass(frozen=True)
class Judged:
    """A request as Google's descriptions see it."""

    method: str
    """The method's id, such as `run.projects.locations.services.create`."""
    host: str
    params: Mapping[str, str]
    """What the path names."""
    complaints: tuple[str, ...]
    body: Any = None
    """What was sent, with enumerations by name."""


def judge(verb: str, path: str, query: Mapping[str, Any], body: Any, *, is_upload: bool = False) -> Judged | None:
    """Find the method that a request on one address for all APIs means; None when no method is called like that."""
    for name in sorted(path.stem for path in _SPECS.glob("*.json")):
        spec = document(name)
        for method_id, method in spec["methods"].items():
            own = method.get("uploadPath") if is_upload else method["path"]
            found = _pattern(own).fullmatch(path) if own and method["httpMethod"] == verb else None
            if found is None:
                continue
            unknown = set(query) - set(method["query"]) - _COMMON_QUERY
            words = [f"query: unknown {key}" for key in sorted(unknown)]
            if "request" in method and not is_upload:
                if _NUMBERED in str(query.get("$alt", "")):
                    body = with_named_enums(body, {"$ref": method["request"]}, spec["schemas"])
                words += complaints(body, {"$ref": method["request"]}, spec["schemas"])
            elif body is not None and not is_upload:
                words.append("no body is known")
            return Judged(method_id, spec["host"], found.groupdict(), tuple(words), body)
    return None


def with_named_enums(value: Any, schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Any:
    """Return a value with enumerations by name: the descriptions list them in the order of their numbers."""
    if "$ref" in schema:
        return with_named_enums(value, schemas.get(schema["$ref"], {}), schemas)
    if isinstance(value, dict):
        known, others = schema.get("properties", {}), schema.get("additionalProperties", {})
        return {key: with_named_enums(item, known.get(key, others), schemas) for key, item in value.items()}
    if isinstance(value, list):
        return [with_named_enums(item, schema.get("items", {}), schemas) for item in value]
    names = schema.get("enum", ())
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return names[value] if is_number and 0 <= value < len(names) else value


@cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\{([A-Za-z0-9]+)\\}", r"(?P<\1>[^/:]+)", re.escape(path)))


def complaints_about_call(call: Mapping[str, Any]) -> list[str]:
    """Return what Google's descriptions have against a call; empty for one that they know."""
    for name in sorted(path.stem for path in _SPECS.glob("*.json")):
        spec = document(name)
        for method in spec["methods"].values():
            if _is_meant(call, spec["host"], method):
                unknown = set(call.get("query", {})) - set(method["query"]) - _COMMON_QUERY
                found = [f"query: unknown {key}" for key in sorted(unknown)]
                if "json" in call:
                    found += complaints(call["json"], {"$ref": method["request"]}, spec["schemas"])
                return found
    return [f"no method is called by {call['method']} {call['host']}{call['path']}"]


def _is_meant(call: Mapping[str, Any], host: str, method: Mapping[str, Any]) -> bool:
    path = method.get("uploadPath") if "content" in call else method["path"]
    if path is None or (call["host"], call["method"]) != (host, method["httpMethod"]):
        return False
    pattern = re.sub(r"\\{[A-Za-z0-9]+\\}", "[^/:]+", re.escape(path))
    return re.fullmatch(pattern, _PLACEHOLDER.sub("x", call["path"])) is not None


def complaints(value: Any, schema: Mapping[str, Any], schemas: Mapping[str, Any], at: str = "") -> list[str]:
    """Return what a schema has against a value, each with where it stands."""
    if "$ref" in schema:
        if schema["$ref"] not in schemas:
            return [f"{at}: {schema['$ref']} is not copied"]
        return complaints(value, schemas[schema["$ref"]], schemas, at)
    kind = schema["type"]
    if kind == "object" and isinstance(value, dict):
        return list(_in_object(value, schema, schemas, at))
    if kind == "array" and isinstance(value, list):
        items = [complaints(item, schema["items"], schemas, f"{at}[{index}]") for index, item in enumerate(value)]
        return [one for found in items for one in found]
    if kind == "string" and isinstance(value, str):
        return [f"{at}: {words}" for words in _in_text(value, schema)]
    is_right = isinstance(value, _TYPES.get(kind, ())) and (kind == "boolean" or not isinstance(value, bool))
    return [] if is_right else [f"{at}: no {kind}"]


def _in_object(
    value: Mapping[str, Any], schema: Mapping[str, Any], schemas: Mapping[str, Any], at: str
) -> Iterator[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for key, item in value.items():
        known = properties.get(key, others)
        if known is None:
            yield f"{at}.{key}: unknown"
        elif known.get("readOnly"):
            yield f"{at}.{key}: only Google writes it"
        else:
            yield from complaints(item, known, schemas, f"{at}.{key}")


def _in_text(value: str, schema: Mapping[str, Any]) -> Iterator[str]:
    if "enum" in schema and value not in schema["enum"]:
        yield f"{value} is none of {schema['enum']}"
    elif schema.get("format") == "byte" and not _PLACEHOLDER.fullmatch(value):
        try:
            base64.b64decode(value, validate=True)
        except ValueError:
            yield f"{value!r} is no base64"
    elif (pattern := _FORMATS.get(schema.get("format", ""))) and not pattern.fullmatch(value):
        yield f"{value!r} is no {schema['format']}"
