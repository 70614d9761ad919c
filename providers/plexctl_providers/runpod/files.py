"""A RunPod plan as files: the body that is sent, a script that sends it, and what the image is built from."""

from __future__ import annotations

from plexctl.images import PORT
from plexctl.model import Plan
from plexctl.rendering import render
from plexctl.spec import Spec
from plexctl_providers._common.files import as_json, resource
from plexctl_providers._common.offers import profile_for
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, names_in
from plexctl_providers.runpod.bodies import API, PODS
from plexctl_providers.runpod.requests import POD


def build_files(spec: Spec, plan: Plan) -> dict[str, str]:
    """Return path to text of what a deploy would use. Raises ConfigurationError for a mistake in a user's template."""
    from plexctl.images.context import context_files

    pod = resource(plan, POD)
    values = {
        "api": API,
        "key": "RUNPOD_API_KEY",
        "base": "PLEXCTL_RUNPOD_URL",
        "needed": [name for name in names_in(pod.body) if name not in (ID, EXPIRES_AT)],
        "ttl_s": spec.limits.ttl_s,
        "method": pod.body["method"],
        "path": pod.body["path"],
        "pods": PODS,
        "expose": spec.runpod.expose,
        "port": PORT,
    }
    image = context_files(spec, profile_for(spec, plan.offer))
    return {
        "create-pod.json": as_json(pod.body["json"]),
        "create-pod.sh": render("runpod/create-pod.sh.j2", values, spec.templates.folder),
    } | {f"image/{path}": text for path, text in image.items()}
