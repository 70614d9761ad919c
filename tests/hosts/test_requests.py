from __future__ import annotations

from typing import Any

import pytest
from tests.hosts.cases import CASES, Case

from plexctl.model import Level, PlannedResource
from plexctl.registry import pure_half
from plexctl_providers._common.files import resource

LABEL = "plexctl-personaplex-${PLEXCTL_ID}"
TAGS = [
    {"key": "managed-by", "value": "plexctl"},
    {"key": "plexctl-name", "value": "personaplex"},
    {"key": "plexctl-id", "value": "${PLEXCTL_ID}"},
]


def sent(case: str, kind: str) -> dict[str, Any]:
    """Return a request of a plan, its user data left out: a file of its own in the golden files."""
    body = dict(resource(CASES[case].plan(), kind).body)
    body["json"] = {name: value for name, value in body["json"].items() if name not in {"user_data", "userData"}}  # type: ignore[attr-defined]
    return body


def kinds(case: str) -> list[str]:
    """Return the kinds of a plan's resources in order."""
    return [one.kind for one in CASES[case].plan().resources]


def levels(case: Case) -> dict[str, Level]:
    """Return check to level of what is found."""
    return {one.check: one.level for one in pure_half(case.provider).check(case.spec, case.offer)}


def test_lambda_is_a_key_a_ruleset_and_an_instance() -> None:
    """By default: the first region with capacity, one instance of the GPU, ssh from the caller alone."""
    assert kinds("lambda") == ["ssh-key", "firewall-ruleset", "instance", "host-files", "host-secrets"]
    assert sent("lambda", "ssh-key") == {
        "method": "POST",
        "path": "/ssh-keys",
        "json": {"name": "plexctl-${PLEXCTL_SSH_KEY_HASH}", "public_key": "${PLEXCTL_SSH_PUBLIC_KEY}"},
    }
    assert sent("lambda", "firewall-ruleset") == {
        "method": "POST",
        "path": "/firewall-rulesets",
        "json": {
            "name": LABEL,
            "region": "${LAMBDA_REGION}",
            "rules": [
                {
                    "protocol": "tcp",
                    "port_range": [22, 22],
                    "source_network": "${PLEXCTL_CALLER_CIDR}",
                    "description": "plexctl: ssh",
                }
            ],
        },
    }
    assert sent("lambda", "instance") == {
        "method": "POST",
        "path": "/instance-operations/launch",
        "json": {
            "region_name": "${LAMBDA_REGION}",
            "instance_type_name": "gpu_1x_a10",
            "ssh_key_names": ["plexctl-${PLEXCTL_SSH_KEY_HASH}"],
            "name": LABEL,
            "image": {"family": "lambda-stack-24-04"},
            "tags": TAGS,
            "firewall_rulesets": [{"id": "${LAMBDA_FIREWALL_RULESET_ID}"}],
        },
    }


def test_lambda_with_everything() -> None:
    """A file system for the weights outlives the instance, and a public host lets callers in on 443."""
    assert kinds("lambda-full")[:4] == ["ssh-key", "firewall-ruleset", "file-system", "instance"]
    assert sent("lambda-full", "file-system")["json"] == {"name": "weights", "region": "us-east-1"}
    rules = sent("lambda-full", "firewall-ruleset")["json"]["rules"]
    assert [(rule["port_range"], rule["source_network"]) for rule in rules] == [
        ([22, 22], "198.51.100.0/24"),
        ([443, 443], "0.0.0.0/0"),
    ]
    assert sent("lambda-full", "instance")["json"] == {
        "region_name": "us-east-1",
        "instance_type_name": "gpu_1x_gh200",
        "ssh_key_names": ["plexctl-${PLEXCTL_SSH_KEY_HASH}"],
        "name": "plexctl-voice-${PLEXCTL_ID}",
        "image": {"family": "lambda-stack-22-04"},
        "tags": [*TAGS[:1], {"key": "plexctl-name", "value": "voice"}, *TAGS[2:]],
        "firewall_rulesets": [{"id": "${LAMBDA_FIREWALL_RULESET_ID}"}],
        "file_system_mounts": [{"mount_point": "/data/plexctl", "file_system_id": "${LAMBDA_FILE_SYSTEM_ID}"}],
    }
    assert resource(CASES["lambda-full"].plan(), "host-files").body["bootstrap"]["CACHE"] == "/data/plexctl"  # type: ignore[index]


def test_lambda_where_rulesets_do_not_apply() -> None:
    """In us-south-1 none is made; the instance's own firewall stands in, and eight GPUs are an eight-GPU type."""
    assert "firewall-ruleset" not in kinds("lambda-south")
    body = sent("lambda-south", "instance")["json"]
    assert "firewall_rulesets" not in body
    assert body["instance_type_name"] == "gpu_8x_h100_sxm5"
    assert "ufw" in CASES["lambda-south"].files()["cloud-init.yaml"]
    assert "ufw" not in CASES["lambda"].files()["cloud-init.yaml"]


def test_ovh_is_a_key_and_an_instance() -> None:
    """Hourly, with a public address; ids that differ by region are looked up when it is applied."""
    assert kinds("ovh") == ["ssh-key", "instance", "host-files", "host-secrets"]
    assert sent("ovh", "ssh-key") == {
        "method": "POST",
        "path": "/cloud/project/${OVH_PROJECT}/sshkey",
        "json": {"name": LABEL, "publicKey": "${PLEXCTL_SSH_PUBLIC_KEY}", "region": "${OVH_REGION}"},
    }
    assert sent("ovh", "instance") == {
        "method": "POST",
        "path": "/cloud/project/${OVH_PROJECT}/region/${OVH_REGION}/instance",
        "json": {
            "name": LABEL,
            "billingPeriod": "hourly",
            "flavor": {"id": "${OVH_FLAVOR_ID}"},
            "bootFrom": {"imageId": "${OVH_IMAGE_ID}"},
            "network": {"public": True},
            "sshKey": {"name": LABEL},
        },
        "looked_up": {"OVH_FLAVOR_ID": ["L4-90"], "OVH_IMAGE_ID": ["Ubuntu 24.04"]},
    }
    assert "L4-90 in ${OVH_REGION}" in CASES["ovh"].plan().steps[0].detail
    assert sent("ovh-full", "instance")["path"] == "/cloud/project/abc123/region/GRA11/instance"


def test_ai_deploy_is_one_app() -> None:
    """One replica behind our own token, asked at /health, with time enough to fetch the weights."""
    assert kinds("ai-deploy") == ["app"]
    assert sent("ai-deploy", "app") == {
        "method": "POST",
        "path": "/cloud/project/${OVH_PROJECT}/ai/app",
        "json": {
            "name": LABEL,
            "region": "${OVH_REGION}",
            "image": "${PLEXCTL_IMAGE}",
            "resources": {"flavor": "l4-1-gpu", "gpu": 1},
            "defaultHttpPort": 8998,
            "probe": {"path": "/health", "port": 8998},
            "unsecureHttp": True,
            "scalingStrategy": {"fixed": {"replicas": 1}},
            "deploymentStrategy": {"progressDeadlineSeconds": 1800},
            "envVars": [
                {"name": "HF_TOKEN", "value": "${HF_TOKEN}"},
                {"name": "PLEXCTL_DEPLOYMENT", "value": "personaplex"},
                {"name": "PLEXCTL_ENGINE", "value": "personaplex"},
                {"name": "PLEXCTL_ENGINES", "value": "auto"},
                {"name": "PLEXCTL_MODEL_REPO", "value": "nvidia/personaplex-7b-v1"},
                {"name": "PLEXCTL_START_TIMEOUT_S", "value": "1800"},
                {"name": "PLEXCTL_TOKEN", "value": "${PLEXCTL_TOKEN}"},
            ],
            "labels": {"managed-by": "plexctl", "plexctl-name": "personaplex", "plexctl-id": "${PLEXCTL_ID}"},
        },
    }
    assert sent("ai-deploy-full", "app")["json"]["resources"] == {"flavor": "h100-1-gpu", "gpu": 2}
    assert sent("ai-deploy-full", "app")["json"]["region"] == "GRA"


def test_a_host_gets_files_and_secrets() -> None:
    """Nothing is at a provider; what will be on the host is laid out, the secrets by name only."""
    files, hidden = CASES["ssh"].plan().resources
    assert (files.kind, files.name) == ("host-files", LABEL)
    assert files.body["folder"] == "/var/lib/plexctl/bundle"
    assert files.body["argv"] == ["sudo", "--non-interactive", "bash", "/var/lib/plexctl/bundle/bootstrap.sh"]
    assert set(files.body["files"]) == {  # type: ignore[call-overload]
        "deployment",
        "plexctl.env",
        "units/docker/plexctl-gateway.service",
        "units/python/plexctl-gateway.service",
    }
    assert hidden == PlannedResource(
        "host-secrets",
        "/etc/plexctl/secrets.env",
        {
            "path": "/etc/plexctl/secrets.env",
            "mode": "0600",
            "owner": "root:root",
            "variables": {"HF_TOKEN": "${HF_TOKEN}", "PLEXCTL_TOKEN": "${PLEXCTL_TOKEN}"},
        },
    )
    assert CASES["ssh-full"].plan().secrets == ("EXTRA", "HF_TOKEN", "PLEXCTL_TOKEN")


def test_the_bootstrap_is_told_what_the_gpu_needs() -> None:
    """CUDA and the driver for it by image profile; an engine without torch needs neither."""

    def settings(case: str) -> dict[str, str]:
        found: dict[str, str] = resource(CASES[case].plan(), "host-files").body["bootstrap"]  # type: ignore[assignment]
        return {name: found[name] for name in ("PROFILE", "MACHINE", "CUDA", "DRIVER", "NEWEST_GPU", "DISK_GB")}

    def row(*values: str) -> dict[str, str]:
        return dict(zip(("PROFILE", "MACHINE", "CUDA", "DRIVER", "NEWEST_GPU", "DISK_GB"), values, strict=True))

    assert settings("ssh") == row("cu121", "x86_64", "12.1", "530", "9.0", "40")
    assert settings("ssh-full") == row("cu128", "x86_64", "12.8", "570", "", "40")
    assert settings("lambda-full") == row("cu128-aarch64", "aarch64", "13.0", "580", "", "40")
    assert settings("ssh-echo") == row("echo", "", "", "", "", "2")


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("me@gpu.example.com", True),
        ("gpu", True),
        ("203.0.113.7:2222", True),
        ("me@[2001:db8::7]:22", True),
        ("me@gpu:0", False),
        ("me@gpu:65536", False),
        ("me@", False),
        ("me@gpu -oProxyCommand=x", False),
        ("-oProxyCommand=x", False),
    ],
)
def test_a_destination_is_user_at_host_and_port(text: str, is_good: bool) -> None:  # noqa: FBT001 - a table's column
    """What ssh would take for an option, or a port that is none, is refused before anything else."""
    found = levels(Case("x", "ssh", {"engine": "echo", "ssh": {"hosts": [text]}}))
    assert found["host"] is (Level.OK if is_good else Level.FAIL)


def test_what_a_host_lacks_is_found() -> None:
    """No host is a failure; an engine that nobody chose, and an image without torch, are told."""
    assert levels(CASES["ssh"]) == {"host": Level.OK, "engine": Level.OK}
    assert levels(CASES["ssh-ip"]) == {"host": Level.FAIL, "engine": Level.OK, "tls": Level.WARN}
    assert levels(Case("x", "ssh", {"ssh": {"hosts": ["h"]}}))["engine"] is Level.WARN
    assert levels(Case("x", "ssh", {"image": {"profile": "echo"}}, gpu="L4"))["engine"] is Level.FAIL


def test_what_costs_on_after_the_end_is_found() -> None:
    """Lambda has no stop, OVH bills what is stopped, and a time to live ends the gateway but not the machine."""
    assert levels(CASES["lambda"]) == {"stop": Level.WARN, "engine": Level.OK}
    assert levels(CASES["lambda-full"])["lifetime"] is Level.WARN
    assert levels(CASES["lambda-south"])["firewall"] is Level.WARN
    assert levels(Case("x", "lambda", {"lambda": {"file_system": "1st"}}, gpu="A10"))["file system"] is Level.FAIL
    assert levels(CASES["ovh"])["stop"] is Level.WARN
    assert levels(CASES["ai-deploy"])["product"] is Level.WARN
    assert levels(Case("x", "ovh", {"ovh": {"product": "ai-deploy"}}, gpu="A10"))["flavour"] is Level.FAIL
