"""The specs and offers that Modal and Cloud Run are tried with: by default, with everything set, and for trials."""

from __future__ import annotations

from functools import cache
from typing import Any

import msgspec

from plexctl.model import Offer, Plan
from plexctl.registry import pure_half
from plexctl.spec import Spec

IMAGE = f"docker.io/you/personaplex@sha256:{'5' * 64}"
PROMPT = 'Be "brief", it\'s a $HOME test: `id` \\ ünïcode.\nTwo lines.'
"""Characters that shells, YAML and Python trip over."""
_COMMON: dict[str, Any] = {
    "engine": "personaplex",
    "name": "voice",
    "secrets": ["EXTRA"],
    "gateway": {"voice": "NATF2.pt", "text_prompt": PROMPT, "idle_timeout_s": 900, "max_session_s": 1800},
    "limits": {"ttl_s": 28800},
    "env": {"LOG_LEVEL": "debug"},
}
_MODAL_FULL = {
    "environment": "main",
    "gpu_fallbacks": ["A100-80GB", "H100"],
    "regions": ["us-east"],
    "min_containers": 1,
    "max_containers": 3,
    "scaledown_window_s": 120,
}
_CLOUDRUN_FULL = {
    "project": "my-project",
    "weights": "memory",
    "private": True,
    "max_instances": 2,
    "min_instances": 1,
    "zonal_redundancy": True,
    "cpu": 22,
    "memory_gib": 88,
    "service_account": "voice@my-project.iam.gserviceaccount.com",
}
VARIANTS: dict[str, dict[str, Any]] = {
    "default": {"engine": "personaplex"},
    "full": _COMMON | {"modal": _MODAL_FULL, "cloudrun": _CLOUDRUN_FULL},
    "echo": {"engine": "echo"},
    "given": {"engine": "personaplex", "image": {"name": IMAGE}, "cloudrun": {"bucket": "my-weights"}},
}
_L40S = Offer("modal", "L40S", 1, None, 1.95, "a sample", "2026-05-07")
_L4 = Offer("cloudrun", "L4", 1, "europe-west4", 1.4, "a sample", "2026-01-01")
_RTX_PRO = Offer("cloudrun", "RTX PRO 6000", 1, "europe-west4", None, "a sample", "2026-11-20")


def spec_of(provider: str, values: dict[str, Any]) -> Spec:
    """Return the spec that a plexctl.toml with these values would be."""
    return msgspec.convert({"provider": provider, **values}, Spec)


def variant_spec(provider: str, variant: str) -> Spec:
    """Return the variant's spec."""
    return spec_of(provider, VARIANTS[variant])


def offer_of(provider: str, variant: str = "default") -> Offer:
    """Return the variant's offer."""
    if provider == "modal":
        return _L40S
    return _RTX_PRO if variant == "full" else _L4


def plan_of(provider: str, variant: str) -> Plan:
    """Return the variant's plan."""
    return pure_half(provider).build_plan(variant_spec(provider, variant), offer_of(provider, variant))


@cache
def files_of(provider: str, variant: str) -> dict[str, str]:
    """Return the variant's files."""
    return pure_half(provider).build_files(variant_spec(provider, variant), plan_of(provider, variant))
