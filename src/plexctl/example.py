"""The commented plexctl.toml and the JSON Schema, both from the spec itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from plexctl.rendering import render
from plexctl.spec import Spec


def example_toml(provider: str) -> str:
    """Return a plexctl.toml that names every key, all commented out but the provider."""
    fields = list(_fields(Spec, ""))
    sections = [{"title": None, "about": "", "fields": [field for field in fields if field["section"] == ""]}]
    for field in msgspec.structs.fields(Spec):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            mine = [entry for entry in fields if entry["section"] == field.encode_name]
            sections.append({"title": field.encode_name, "about": field.type.__doc__, "fields": mine})
    return render("init/plexctl.toml.j2", {"provider": provider, "sections": sections})


def json_schema() -> str:
    """Return the JSON Schema (2020-12) of plexctl.toml."""
    schema: dict[str, Any] = msgspec.json.schema(Spec)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "plexctl.toml"}
    return json.dumps(head | schema, indent=2) + "\n"


def _fields(struct: type[msgspec.Struct], section: str) -> Iterator[dict[str, Any]]:
    for field in msgspec.structs.fields(struct):
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _fields(field.type, field.encode_name)
            continue
        info = msgspec.inspect.type_info(field.type)
        about = getattr(info, "extra_json_schema", None) or {}
        yield {
            "section": section,
            "key": field.encode_name,
            "about": about.get("description", ""),
            "variable": (getattr(info, "extra", None) or {}).get("env"),
            # An example where there is no default that could be shown.
            "value": _toml(about.get("examples", [field.default])[0]),
        }


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(item)}" for key, item in value.items()) + " }"
    return json.dumps(value)
