"""A plan for Cloud Run as files: the API calls, the same for gcloud, and the image's folder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from plexctl.images import context_files
from plexctl.model import Plan
from plexctl.rendering import render
from plexctl.spec import Spec
from plexctl_providers._common.files import as_json, resource
from plexctl_providers._common.offers import profile_for
from plexctl_providers._common.placeholders import EXPIRES_AT, ID, TOKEN, names_in
from plexctl_providers.cloudrun import surroundings
from plexctl_providers.cloudrun.accelerators import region_of
from plexctl_providers.cloudrun.knative import knative_service
from plexctl_providers.cloudrun.names import PROJECT, PROJECT_NUMBER
from plexctl_providers.cloudrun.requests import SERVICE
from plexctl_providers.cloudrun.yaml_text import as_yaml

_BY_HAND = "byhand"
"""The id for people who use the files without plexctl."""
_MEANT_BY_SHELLS = re.compile(r'[\\"`$]')


def build_files(spec: Spec, plan: Plan) -> dict[str, str]:
    """Return the files, made from the plan's own bodies and, where Cloud Build makes the image, what it builds from."""
    values = template_values(spec, plan)
    folder = spec.templates.folder
    files = {
        "requests.json": as_json([{"resource": f"{one.kind} {one.name}", **one.body} for one in plan.resources]),
        "service.yaml": render("cloudrun/service.yaml.j2", values, folder),
        "deploy.sh": render("cloudrun/deploy.sh.j2", values, folder),
    }
    if spec.image.name is None:
        files["cloudbuild.yaml"] = render("cloudrun/cloudbuild.yaml.j2", values, folder)
        context = context_files(spec, profile_for(spec, plan.offer))
        files |= {f"image/{path}": text for path, text in context.items()}
    return files


def template_values(spec: Spec, plan: Plan) -> dict[str, object]:
    """Return what the templates are written from; `sh` makes a word for the shell, placeholders left to it."""
    service = resource(plan, SERVICE)
    knative = knative_service(service.name, _json(service.body))
    build = _build(plan)
    return {
        "deployment": spec.name,
        "plan": {one.kind: one for one in plan.resources},
        "kinds": surroundings,
        "sh": shell_text,
        "id": ID,
        "token": TOKEN,
        "expires_at": EXPIRES_AT,
        "by_hand": _BY_HAND,
        "project": PROJECT,
        "project_number": PROJECT_NUMBER,
        "own_project": spec.cloudrun.project,
        "ttl_s": spec.limits.ttl_s,
        "region": region_of(plan.offer),
        "labels": ",".join(f"{key}={value}" for key, value in _json(service.body)["labels"].items()),
        "apis": _json(resource(plan, surroundings.APIS).body)["serviceIds"],
        "secrets": list(zip(plan.secrets, _names(plan, surroundings.SECRET), strict=True)),
        "account": _member(plan, surroundings.SECRET_ACCESS).removeprefix("serviceAccount:"),
        "service": as_yaml(knative),
        "build": "" if build is None else as_yaml(build),
        "unknown": names_in([knative, build or {}]),
    }


def shell_text(value: str) -> str:
    """Return a word for the shell in double quotes: only our placeholders are filled in, nothing else is run."""
    parts = re.split(r"(\$\{[A-Za-z_][A-Za-z0-9_]*\})", value)
    escaped = [part if at % 2 else _MEANT_BY_SHELLS.sub(r"\\\g<0>", part) for at, part in enumerate(parts)]
    return f'"{"".join(escaped)}"'


def _build(plan: Plan) -> dict[str, Any] | None:
    """Return the build without its source, which `gcloud builds submit` uploads itself; None with an image given."""
    found = next((one for one in plan.resources if one.kind == surroundings.BUILD), None)
    return None if found is None else {key: item for key, item in _json(found.body).items() if key != "source"}


def _names(plan: Plan, kind: str) -> list[str]:
    return [one.name for one in plan.resources if one.kind == kind]


def _member(plan: Plan, kind: str) -> str:
    (binding,) = _json(resource(plan, kind).body)["policy"]["bindings"]
    return cast("str", binding["members"][0])


def _json(body: Mapping[str, object]) -> dict[str, Any]:
    return cast("dict[str, Any]", body["json"])
