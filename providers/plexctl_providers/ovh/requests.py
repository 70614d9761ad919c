"""What is sent to OVHcloud: a virtual machine, or an app of AI Deploy. No I/O.

Paths are below https://eu.api.ovh.com/1.0. Sources of the fields: OVH's own ovhcloud-cli (its copy of cloud.json),
terraform-provider-ovh and the SDK `ovhai`; none of it was tried on the live service.
"""

from __future__ import annotations

from plexctl.model import Finding, Offer, Plan
from plexctl.spec import Spec
from plexctl_providers.ovh import ai_deploy, instance

AI_DEPLOY = "ai-deploy"


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out the product that the spec names."""
    return ai_deploy.build_plan(spec, offer) if spec.ovh.product == AI_DEPLOY else instance.build_plan(spec, offer)


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Say what holds for the product that the spec names."""
    return ai_deploy.check(spec, offer) if spec.ovh.product == AI_DEPLOY else instance.check(spec, offer)
