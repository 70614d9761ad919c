"""A plan for Modal as files: `modal_app.py`, which Modal's own command takes as it stands, and the image's folder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from shlex import quote
from typing import cast

from plexctl.images import CACHE, ENTRYPOINT, GATEWAY_PYTHON, context_files
from plexctl.images.layout import SOURCES
from plexctl.model import Plan
from plexctl.rendering import render
from plexctl.spec import Spec
from plexctl_providers._common.files import resource
from plexctl_providers._common.offers import profile_for
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, placeholder
from plexctl_providers.modal.requests import APP, FETCH_APP

_BY_HAND = "byhand"
"""The id for people who use the file without plexctl."""


def build_files(spec: Spec, plan: Plan) -> dict[str, str]:
    """Return the app's file from the plan's own body and, where Modal builds the image, what it builds from."""
    values = template_values(spec, plan)
    files = {"modal_app.py": render("modal/modal_app.py.j2", values, spec.templates.folder)}
    if spec.image.name is None:
        context = context_files(spec, profile_for(spec, plan.offer))
        files |= {f"image/{path}": text for path, text in context.items()}
    return files


def template_values(spec: Spec, plan: Plan) -> dict[str, object]:
    """Return what `modal/modal_app.py.j2` is written from; values are Python's text already where users wrote them."""
    app = resource(plan, APP).body
    fetches = any(one.kind == FETCH_APP for one in plan.resources)
    image = cast("Mapping[str, str]", app["image"])
    return {
        "app": app,
        "fetch": resource(plan, FETCH_APP).body if fetches else None,
        "deployment": spec.name,
        "prefix": cast("str", app["name"]).removesuffix(placeholder(ID)),
        "by_hand": _BY_HAND,
        "id_placeholder": placeholder(ID),
        "environment_flag": f"--env {quote(spec.modal.environment)} " if spec.modal.environment else "",
        "python": python_text,
        "expires_at": placeholder(EXPIRES_AT),
        "ttl_s": spec.limits.ttl_s,
        "settings": app["env"],
        "image_tag": image.get("tag"),
        "volume": cast("Mapping[str, str]", app["volumes"]).get(CACHE),
        "cache": CACHE,
        "entrypoint": ENTRYPOINT,
        "gateway_python": GATEWAY_PYTHON,
        "sources": SOURCES,
    }


def python_text(value: object) -> str:
    """Return a value as Python's source: strings in the quotes that need fewer escapes, as formatters have them."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(python_text, value))}]"
    if not isinstance(value, str):
        return repr(value)
    inside = json.dumps(value, ensure_ascii=False)[1:-1]
    if value.count('"') <= value.count("'"):
        return f'"{inside}"'
    unescaped = inside.replace('\\"', '"').replace("'", "\\'")
    return f"'{unescaped}'"
