"""The plan for a virtual machine as files: requests in their order, cloud-init.yaml, and the bundle of the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from plexctl.model import Plan
from plexctl_providers._common.files import as_json, resource
from plexctl_providers._common.host import bundle_files, secrets_text

INSTANCE = "instance"
"""The kind of the resource whose request carries the user data."""


def request_files(plan: Plan) -> dict[str, str]:
    """Return each request of the plan as a JSON file, numbered in order; `json` in it is the body as it is sent."""
    asked = [one for one in plan.resources if "method" in one.body]
    return {f"requests/{number}-{one.kind}.json": as_json(one.body) for number, one in enumerate(asked, 1)}


def machine_files(plan: Plan, user_data: str) -> dict[str, str]:
    """Return path to text; `user_data` is what the provider calls that field."""
    sent = cast("Mapping[str, Mapping[str, str]]", resource(plan, INSTANCE).body)["json"]
    bundle = bundle_files(plan) | {"secrets.env": secrets_text(plan)}
    inside = {f"host/{path}": text for path, text in bundle.items()}
    return request_files(plan) | {"cloud-init.yaml": sent[user_data]} | inside
