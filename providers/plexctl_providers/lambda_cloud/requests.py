"""What is sent to Lambda Cloud. No I/O.

Source of every field: Lambda's OpenAPI description 1.10.0; paths are below https://cloud.lambda.ai/api/v1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from plexctl.gpus import matching
from plexctl.model import Finding, Level, Offer, Plan, PlannedResource, Step
from plexctl.spec import Spec
from plexctl_providers._common.host import HOST_CACHE, check_host, check_lifetime, host_resources, host_steps
from plexctl_providers._common.host_cloud_init import KEY_HASH, PUBLIC_KEY, ssh_from, user_data
from plexctl_providers._common.host_files import INSTANCE
from plexctl_providers._common.offers import gpu_of
from plexctl_providers._common.placeholders import placeholder
from plexctl_providers._common.settings import choose_engine, label, labels, secret_names

SSH_KEY, RULESET, FILE_SYSTEM = "ssh-key", "firewall-ruleset", "file-system"
"""Kinds of resources, beside INSTANCE."""
REGION, INSTANCE_TYPE = "LAMBDA_REGION", "LAMBDA_INSTANCE_TYPE"
RULESET_ID, FILE_SYSTEM_ID = "LAMBDA_FIREWALL_RULESET_ID", "LAMBDA_FILE_SYSTEM_ID"
MOUNT = "/data/plexctl"
NO_FIREWALL = "us-south-1"
"""The region in which rulesets do not apply, says the description."""
_FILE_SYSTEM_NAME = re.compile(r"[a-zA-Z]+[0-9a-zA-Z-]*")
_LONGEST_FILE_SYSTEM = 60


def region_of(spec: Spec, offer: Offer) -> str:
    """Return the region, or its placeholder: the first with capacity is found out when the plan is applied."""
    return spec.lambda_.region or offer.region or placeholder(REGION)


def instance_type(offer: Offer) -> str:
    """Return the instance type with the offer's GPU as often as the offer says, or its placeholder."""
    found = next(iter(matching(offer.gpu, offer.provider)), None) if offer.gpu else None
    types = [name for name in (found.aliases.get(offer.provider, ()) if found else ()) if name.startswith("gpu_")]
    fitting = [name for name in types if name.startswith(f"gpu_{offer.count}x_")]
    known = offer.detail.get("instance_type") or next(iter(fitting), None)
    return known or (gpu_of(offer) if offer.gpu and not found else None) or placeholder(INSTANCE_TYPE)


def build_plan(spec: Spec, offer: Offer) -> Plan:
    """Lay out the instance with what it needs, and then what is done on it."""
    resources = [_ssh_key()]
    if region_of(spec, offer) != NO_FIREWALL:
        resources.append(_ruleset(spec, offer))
    if spec.lambda_.file_system is not None:
        resources.append(_file_system(spec, offer, spec.lambda_.file_system))
    cache = HOST_CACHE if spec.lambda_.file_system is None else MOUNT
    return Plan(
        provider="lambda",
        deployment=spec.name,
        offer=offer,
        steps=_steps(spec, offer),
        resources=(*resources, _instance(spec, offer), *host_resources(spec, offer, cache=cache)),
        secrets=secret_names(spec, choose_engine(spec, offer)),
    )


def check(spec: Spec, offer: Offer) -> list[Finding]:
    """Say what holds on Lambda before anything is created."""
    words = "Lambda has no stop: an instance bills until it is terminated, and what is on it goes with it"
    found = [Finding("stop", Level.WARN, words, "lambda.file_system keeps the weights")]
    if spec.lambda_.file_system is not None:
        found = [
            Finding("stop", Level.WARN, f"{words}, but for file system {spec.lambda_.file_system}, which bills on")
        ]
        found += _check_file_system(spec.lambda_.file_system)
    if region_of(spec, offer) == NO_FIREWALL:
        words = f"firewall rulesets do not apply in {NO_FIREWALL}: the instance's own firewall (ufw) is used"
        unset = "unset, everyone does, by key alone, until the first login, and then this computer until it boots again"
        fix = None if spec.host.ssh_from else f"host.ssh_from says who reaches sshd; {unset}"
        found.append(Finding("firewall", Level.WARN, words, fix))
    bills = "the instance bills until it is terminated"
    return [*found, *check_lifetime(spec, bills), *check_host(spec, offer)]


def _check_file_system(name: str) -> list[Finding]:
    if _FILE_SYSTEM_NAME.fullmatch(name) and len(name) <= _LONGEST_FILE_SYSTEM:
        return []
    words = f"{name!r} is no name for a file system there"
    fix = f"letters first, then letters, digits and hyphens, {_LONGEST_FILE_SYSTEM} at most"
    return [Finding("file system", Level.FAIL, words, fix)]


def _steps(spec: Spec, offer: Offer) -> tuple[Step, ...]:
    region, kind = region_of(spec, offer), instance_type(offer)
    steps = [
        Step("read", "capacity", f"{kind} in {region}, before anything is created"),
        Step("generate", "ssh keys", "one to log in with, and the host's own, pinned before the first connection"),
        Step("create", SSH_KEY, "named by the hash of its public half; adopted where it is there already"),
    ]
    if region != NO_FIREWALL:
        steps.append(Step("create", RULESET, f"ssh from {ssh_from(spec)}{_public_words(spec)}"))
    if spec.lambda_.file_system is not None:
        steps.append(Step("create", FILE_SYSTEM, f"{spec.lambda_.file_system}, unless it is there; destroy keeps it"))
    return (
        *steps,
        Step("launch", INSTANCE, f"{kind} with {spec.lambda_.image_family}; it bills from here until it is terminated"),
        Step("wait", INSTANCE, "until it is active and ssh shows the pinned key"),
        Step("change", "host key", "made anew on the instance over the verified connection, and pinned again"),
        *host_steps(spec, offer),
    )


def _public_words(spec: Spec) -> str:
    return ", port 443 from everywhere" if spec.host.public is not None else "; nothing else is let in"


def _ssh_key() -> PlannedResource:
    name = f"plexctl-{placeholder(KEY_HASH)}"
    body = {"name": name, "public_key": placeholder(PUBLIC_KEY)}
    return PlannedResource(SSH_KEY, name, _post("/ssh-keys", body))


def _ruleset(spec: Spec, offer: Offer) -> PlannedResource:
    rules = [_rule(22, ssh_from(spec), "plexctl: ssh")]
    if spec.host.public is not None:
        rules.append(_rule(443, "0.0.0.0/0", "plexctl: callers"))
    body = {"name": label(spec), "region": region_of(spec, offer), "rules": rules}
    return PlannedResource(RULESET, label(spec), _post("/firewall-rulesets", body))


def _rule(port: int, network: str, words: str) -> dict[str, object]:
    return {"protocol": "tcp", "port_range": [port, port], "source_network": network, "description": words}


def _file_system(spec: Spec, offer: Offer, name: str) -> PlannedResource:
    return PlannedResource(FILE_SYSTEM, name, _post("/filesystems", {"name": name, "region": region_of(spec, offer)}))


def _instance(spec: Spec, offer: Offer) -> PlannedResource:
    region = region_of(spec, offer)
    body: dict[str, object] = {
        "region_name": region,
        "instance_type_name": instance_type(offer),
        "ssh_key_names": [f"plexctl-{placeholder(KEY_HASH)}"],
        "name": label(spec),
        "image": {"family": spec.lambda_.image_family},
        "user_data": user_data(spec, has_firewall=region == NO_FIREWALL),
        "tags": [{"key": key, "value": value} for key, value in labels(spec).items()],
    }
    if region != NO_FIREWALL:
        body["firewall_rulesets"] = [{"id": placeholder(RULESET_ID)}]
    if spec.lambda_.file_system is not None:
        body["file_system_mounts"] = [{"mount_point": MOUNT, "file_system_id": placeholder(FILE_SYSTEM_ID)}]
    return PlannedResource(INSTANCE, label(spec), _post("/instance-operations/launch", body))


def _post(path: str, body: Mapping[str, object]) -> dict[str, object]:
    return {"method": "POST", "path": path, "json": body}
