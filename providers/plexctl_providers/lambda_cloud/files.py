"""The plan for Lambda Cloud as files: each request, the user data by itself, and the bundle for the instance."""

from __future__ import annotations

from plexctl.model import Plan
from plexctl.spec import Spec
from plexctl_providers._common.host_files import machine_files


def build_files(spec: Spec, plan: Plan) -> dict[str, str]:
    """Return path to text."""
    del spec
    return machine_files(plan, "user_data")
