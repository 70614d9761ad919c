"""A plan for Modal as files: `modal_app.py`, which Modal's own command takes as it stands, and the image's folder.

`plexctl deploy` runs the same file, written by the same template: what is rendered is what is deployed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from shlex import quote
from typing import cast

from msgspec import structs

from plexctl.images import CACHE, ENTRYPOINT, GATEWAY_PYTHON, PROFILES, context_files
from plexctl.images.layout import ROOT, SOURCES
from plexctl.model import Plan
from plexctl.rendering import render
from plexctl.spec import Spec
from plexctl_providers._common.files import resource
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, placeholder
from plexctl_providers.modal.inlining import inlined
from plexctl_providers.modal.requests import APP, FETCH_APP

APP_FILE = "modal_app.py"
PLAN_TAG = "plexctl-plan"
"""The app's tag that tells whether it is as planned."""
_BY_HAND = "byhand"
"""The id for people who use the file without plexctl."""


def build_files(spec: Spec, plan: Plan) -> dict[str, str]:
    """Return the app's file from the plan's own body, and what Modal builds the image from."""
    del spec
    context = _context(_image(plan))
    return {APP_FILE: _app(plan)} | {f"image/{path}": text for path, text in context.items()}


def deployed_files(plan: Plan, identity: str, expires_at: str) -> tuple[dict[str, str], str]:
    """Return the files that a deploy runs, and the hash of all that is in them but the expiry.

    The id is filled in, and the image's folder is one Dockerfile, so that nothing of this machine is uploaded.
    """
    image = _image(plan)
    context = _context(image)
    dockerfile = {"image/Dockerfile": inlined(context)}
    templated = {APP_FILE: _app(plan, identity)} | dockerfile
    digest = hashlib.sha256(json.dumps(templated, sort_keys=True).encode()).hexdigest()[:32]
    text = _app(plan, identity, {PLAN_TAG: digest}, expires_at)
    return {APP_FILE: text} | dockerfile, digest


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


def _app(plan: Plan, identity: str | None = None, tags: Mapping[str, str] | None = None, expires_at: str = "") -> str:
    """Return the text of `modal_app.py`; with an identity for that deployment alone."""
    app = dict(resource(plan, APP).body)
    app["tags"] = {**cast("Mapping[str, str]", app["tags"]), **(tags or {})}
    fetches = any(one.kind == FETCH_APP for one in plan.resources)
    name, environment = cast("str", app["name"]), cast("str | None", app.get("environment_name"))
    settings = cast("Mapping[str, str]", app["env"])
    if expires_at and EXPIRES_AT in settings:
        app["env"] = {**settings, EXPIRES_AT: expires_at}
    values = {
        "app": app,
        "fetch": resource(plan, FETCH_APP).body if fetches else None,
        "deployment": plan.deployment,
        "id": identity,
        "prefix": name.removesuffix(placeholder(ID)),
        "by_hand": _BY_HAND,
        "id_placeholder": placeholder(ID),
        "environment_flag": f"--env {quote(environment)} " if environment else "",
        "python": python_text,
        "expires_at": placeholder(EXPIRES_AT),
        "ttl_s": app["ttl_s"],
        "settings": app["env"],
        "volume": cast("Mapping[str, str]", app["volumes"]).get(CACHE),
        "cache": CACHE,
        "entrypoint": ENTRYPOINT,
        "gateway_python": GATEWAY_PYTHON,
        "sources": SOURCES,
    }
    return render("modal/modal_app.py.j2", values, _image(plan)["templates"])


def _image(plan: Plan) -> Mapping[str, str]:
    return cast("Mapping[str, str]", resource(plan, APP).body["image"])


def _context(image: Mapping[str, str]) -> dict[str, str]:
    """Return what the plan's image is built from: for one that is given, a Dockerfile that begins with it."""
    context: dict[str, str] = {}
    if "profile" in image:
        spec = Spec()
        spec = structs.replace(
            spec,
            image=structs.replace(spec.image, base=image.get("base")),
            templates=structs.replace(spec.templates, folder=image["templates"]),
        )
        context = context_files(spec, PROFILES[image["profile"]])
    values = {"image_tag": image.get("tag"), "dockerfile": context.get("Dockerfile", "").rstrip(), "root": ROOT}
    return context | {"Dockerfile": render("modal/Dockerfile.j2", values, image["templates"])}
