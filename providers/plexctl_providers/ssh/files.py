"""The plan for a host as files: the bundle that is copied there."""

from __future__ import annotations

from plexctl.model import Plan
from plexctl.spec import Spec
from plexctl_providers._common.host import bundle_files, secrets_text


def build_files(spec: Spec, plan: Plan) -> dict[str, str]:
    """Return path to text: the bundle, and the secrets file with placeholders for its values."""
    del spec
    return bundle_files(plan) | {"secrets.env": secrets_text(plan)}
