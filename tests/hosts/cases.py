"""Specs and offers for hosts: each provider by default, and with everything that can be set."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from plexctl.model import Offer, Plan
from plexctl.registry import pure_half
from plexctl.spec import Spec

SPECS = Path(__file__).with_name("specs")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICN+lJwsONkwrdsSnQsu1ydUkIuIg5oOC+Eslvmtt60T plexctl"
FILLED = {
    "PLEXCTL_ID": "k3v9pq",
    "PLEXCTL_EXPIRES_AT": "1795300000",
    "PLEXCTL_IMAGE": "ghcr.io/you/personaplex:1",
    "PLEXCTL_TOKEN": "a-token",
    "HF_TOKEN": "another-token",
    "EXTRA": "third-token",
    "PLEXCTL_SSH_PUBLIC_KEY": KEY,
    "PLEXCTL_SSH_KEY_HASH": "0123456789abcdef",
    "PLEXCTL_SSH_HOST_PUBLIC_KEY": KEY,
    "PLEXCTL_SSH_HOST_KEY": "-----BEGIN OPENSSH PRIVATE KEY-----\\nb3Blbg==\\n-----END OPENSSH PRIVATE KEY-----\\n",
    "PLEXCTL_CALLER_CIDR": "203.0.113.7/32",
    "PLEXCTL_PUBLIC_IP": "203.0.113.8",
    "LAMBDA_REGION": "us-east-1",
    "LAMBDA_FIREWALL_RULESET_ID": "c4d291f47f9d436fa39f58493ce3b50d",
    "LAMBDA_FILE_SYSTEM_ID": "398578a2336b49079e74043f0bd2cfe8",
    "OVH_PROJECT": "a-project",
    "OVH_REGION": "GRA11",
    "OVH_FLAVOR_ID": "e81b46ca-8c52-4f4c-a1a9-0c4e2b1f5d36",
    "OVH_IMAGE_ID": "2b0d8b2e-6b2f-4a4e-9a3a-6ad4d2b6b0c8",
}
"""A value for every placeholder that may stand in a plan for hosts."""


@dataclass(frozen=True)
class Case:
    """One spec, one offer."""

    name: str
    provider: str
    wanted: dict[str, Any] = field(default_factory=dict)
    gpu: str | None = None
    region: str | None = None
    count: int = 1

    @property
    def spec(self) -> Spec:
        """The spec as it comes out of the configuration."""
        return msgspec.convert({"provider": self.provider, **self.wanted}, Spec)

    @property
    def offer(self) -> Offer:
        """An offer with that GPU."""
        return Offer(self.provider, self.gpu, self.count, self.region, 0.86, "a sample", "2026-05-07")

    def plan(self) -> Plan:
        """Return the plan."""
        return pure_half(self.provider).build_plan(self.spec, self.offer)

    def files(self) -> dict[str, str]:
        """Return what `render` writes."""
        return pure_half(self.provider).build_files(self.spec, self.plan())


FULL: dict[str, Any] = {
    "name": "voice",
    "secrets": ["EXTRA"],
    "gateway": {
        "port": 9000,
        "voice": "NATF2.pt",
        "text_prompt": 'Be "brief", it\'s a $HOME ${HOME} `test`.\\n',
        "idle_timeout_s": 900,
    },
    "limits": {"ttl_s": 28800},
    "env": {"LOG_LEVEL": "debug"},
}
CASES = {
    case.name: case
    for case in (
        Case("ssh", "ssh", {"ssh": {"hosts": ["me@gpu.example.com"]}}, gpu="L40S"),
        Case("ssh-echo", "ssh", {"engine": "echo", "ssh": {"hosts": ["me@gpu.example.com"]}}),
        Case("ssh-ip", "ssh", {"engine": "echo", "host": {"public": "ip", "runtime": "python"}}),
        Case(
            "ssh-full",
            "ssh",
            {
                **FULL,
                "image": {"name": f"ghcr.io/you/personaplex@sha256:{'5' * 64}"},
                "host": {"public": "voice.example.com", "runtime": "docker"},
                "ssh": {"hosts": ["me@[2001:db8::7]:2222"], "jump": "me@jump.example.com"},
            },
            gpu="RTX 5090",
        ),
        Case("lambda", "lambda", gpu="A10"),
        Case("lambda-south", "lambda", {"lambda": {"region": "us-south-1"}}, gpu="H100 SXM", count=8),
        Case(
            "lambda-full",
            "lambda",
            {
                **FULL,
                "lambda": {"region": "us-east-1", "file_system": "weights", "image_family": "lambda-stack-22-04"},
                "host": {"public": "ip", "ssh_from": "198.51.100.0/24"},
            },
            gpu="GH200",
        ),
        Case("ovh", "ovh", gpu="L4"),
        Case(
            "ovh-full",
            "ovh",
            {
                **FULL,
                "ovh": {"project": "abc123", "region": "GRA11", "image": "Debian 12"},
                "host": {"public": "voice.example.com"},
            },
            gpu="L40S",
        ),
        Case("ai-deploy", "ovh", {"ovh": {"product": "ai-deploy"}}, gpu="L4"),
        Case(
            "ai-deploy-full",
            "ovh",
            {
                **FULL,
                "gateway": {"text_prompt": 'Be "brief", it\'s a $HOME test.'},
                "image": {"name": "ghcr.io/you/personaplex:1"},
                "ovh": {"project": "abc123", "region": "GRA", "product": "ai-deploy"},
            },
            gpu="H100 PCIe",
            count=2,
        ),
    )
}
HOSTS = [name for name in CASES if not name.startswith("ai-deploy")]
MACHINES = [name for name in HOSTS if not name.startswith("ssh")]


def schemas(file: str) -> dict[str, Any]:
    """Return a copied part of a provider's description."""
    found: dict[str, Any] = json.loads((SPECS / file).read_text(encoding="utf-8"))
    return found
