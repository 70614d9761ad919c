"""The plan for OVHcloud as files: each request, and for an instance its user data and the bundle for it."""

from __future__ import annotations

from plexctl.model import Plan
from plexctl.spec import Spec
from plexctl_providers._common.host_files import machine_files, request_files
from plexctl_providers.ovh.requests import AI_DEPLOY


def build_files(spec: Spec, plan: Plan) -> dict[str, str]:
    """Return path to text."""
    return request_files(plan) if spec.ovh.product == AI_DEPLOY else machine_files(plan, "userData")
