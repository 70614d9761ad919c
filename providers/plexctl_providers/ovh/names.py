"""Names at OVHcloud: project, region, and the flavour with a GPU in each of its two products."""

from __future__ import annotations

from plexctl.gpus import matching
from plexctl.model import Finding, Level, Offer
from plexctl.spec import Spec
from plexctl_providers._common.placeholders import placeholder

PROJECT, REGION = "OVH_PROJECT", "OVH_REGION"
PLACE_PROJECT, PLACE_REGION = "project", "region"
"""What the details of resources call where they are."""
_AI_DEPLOY_ENDING = "-gpu"
"""Flavours of AI Deploy end so (`l4-1-gpu`), those of virtual machines do not (`L4-90`)."""


def project_of(spec: Spec) -> str:
    """Return the project, or its placeholder."""
    return spec.ovh.project or placeholder(PROJECT)


def region_of(spec: Spec, offer: Offer) -> str:
    """Return the region, or its placeholder: one with stock is found out when the plan is applied."""
    return spec.ovh.region or offer.region or placeholder(REGION)


def flavours(offer: Offer, *, ai_deploy: bool) -> list[str]:
    """Return the names of flavours with the offer's GPU."""
    found = next(iter(matching(offer.gpu, offer.provider)), None) if offer.gpu else None
    names = found.aliases.get(offer.provider, ()) if found else ()
    return [name for name in names if name.endswith(_AI_DEPLOY_ENDING) == ai_deploy]


def check_project(spec: Spec) -> Finding:
    """Say whether a project is named."""
    if spec.ovh.project is None:
        words = "no Public Cloud project is named: the only one of the account is taken, if there is one"
        return Finding("project", Level.WARN, words, "name it in ovh.project (PLEXCTL_OVH_PROJECT)")
    return Finding("project", Level.OK, spec.ovh.project)
