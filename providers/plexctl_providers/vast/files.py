"""A Vast.ai plan as files: the two bodies that are sent, a script that sends them, and what the image is built from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from plexctl.model import Plan
from plexctl.rendering import render
from plexctl.spec import Spec
from plexctl_providers._common.files import as_json, resource
from plexctl_providers._common.offers import profile_for
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, names_in
from plexctl_providers.vast.bodies import API, ASK_ID, INSTANCES
from plexctl_providers.vast.requests import INSTANCE


def build_files(spec: Spec, plan: Plan) -> dict[str, str]:
    """Return path to text of what a deploy would use. Raises ConfigurationError for a mistake in a user's template."""
    from plexctl.images.context import context_files

    instance = resource(plan, INSTANCE)
    search = cast("Mapping[str, object]", instance.body["search"])
    values = {
        "api": API,
        "key": "VAST_API_KEY",
        "base": "VAST_URL",
        "needed": [name for name in names_in(instance.body) if name not in (ID, EXPIRES_AT, ASK_ID)],
        "ttl_s": spec.limits.ttl_s,
        "method": instance.body["method"],
        "path": instance.body["path"],
        "search": search,
        "is_open": ASK_ID in names_in(instance.body["path"]),
        "instances": INSTANCES,
    }
    image = context_files(spec, profile_for(spec, plan.offer))
    return {
        "search.json": as_json(search["json"]),
        "create-instance.json": as_json(instance.body["json"]),
        "create-instance.sh": render("vast/create-instance.sh.j2", values, spec.templates.folder),
    } | {f"image/{path}": text for path, text in image.items()}
