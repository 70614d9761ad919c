"""RunPod's body, plan and findings, by exact equality."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs
from tests.marketplaces.examples import (
    DEFAULT,
    DIGEST,
    ECHO,
    FULL,
    SETTINGS_BY_DEFAULT,
    SETTINGS_IN_FULL,
    SETTINGS_OF_ECHO,
    failures,
    levels,
    offer,
)

from plexctl.errors import PreflightError
from plexctl.model import Level, PlannedResource, Step
from plexctl.spec import Gateway, Limits, RunPod, Spec
from plexctl_providers.runpod.bodies import environment, pod_body
from plexctl_providers.runpod.requests import build_plan, check

OFFER = offer("runpod")


def with_runpod(spec: Spec, **changes: Any) -> Spec:
    """Return the spec with a changed section."""
    return structs.replace(spec, runpod=structs.replace(spec.runpod, **changes))


def test_the_smallest_spec_makes_this_pod() -> None:
    """One GPU with a CUDA floor, a volume for the weights, RunPod's proxy; secrets and image are placeholders."""
    assert pod_body(DEFAULT, OFFER) == {
        "name": "plexctl-personaplex-${PLEXCTL_ID}",
        "image": "${PLEXCTL_IMAGE}",
        "cloud": "SECURE",
        "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 1, "minCudaVersion": "12.1"},
        "disk": 20,
        "ports": ["8998/http"],
        "env": SETTINGS_BY_DEFAULT | {"HF_TOKEN": "${HF_TOKEN}", "PLEXCTL_TOKEN": "${PLEXCTL_TOKEN}"},
        "mounts": {"persistent": {"size": 40, "path": "/cache"}},
    }


def test_everything_asked_for_stands_in_the_pod() -> None:
    """Data centres, network volume, registry, TCP, expiry; a secret of RunPod's own store is referred to."""
    assert pod_body(FULL, offer("runpod", "RTX 5090")) == {
        "name": "plexctl-voice-${PLEXCTL_ID}",
        "image": DIGEST,
        "cloud": "SECURE",
        "gpu": {"id": "NVIDIA GeForce RTX 5090", "count": 1, "minCudaVersion": "12.8"},
        "disk": 30,
        "ports": ["8998/tcp"],
        "env": SETTINGS_IN_FULL
        | {
            "PLEXCTL_SELF_DESTRUCT": "runpod",
            "PLEXCTL_TLS": "self-signed",
            "HF_TOKEN": "{{ RUNPOD_SECRET_HF_TOKEN }}",
            "PLEXCTL_TOKEN": "${PLEXCTL_TOKEN}",
            "WEBHOOK": "${WEBHOOK}",
        },
        "mounts": {"network": [{"volumeId": "agv6w2qcg7", "path": "/cache"}]},
        "dataCenterIds": ["EU-RO-1", "EU-CZ-1"],
        "registry": "clzdaifot0001l90809257ynb",
    }


def test_echo_needs_no_volume_no_cuda_and_no_hub() -> None:
    """A trial without weights pays for no volume and carries no Hub token."""
    assert pod_body(ECHO, OFFER) == {
        "name": "plexctl-trial-${PLEXCTL_ID}",
        "image": DIGEST,
        "cloud": "SECURE",
        "gpu": {"id": "NVIDIA GeForce RTX 4090", "count": 1},
        "disk": 20,
        "ports": ["8998/http"],
        "env": SETTINGS_OF_ECHO | {"PLEXCTL_TOKEN": "${PLEXCTL_TOKEN}"},
    }


def test_an_offers_own_data_centre_is_the_one() -> None:
    """What was found in stock in one data centre is asked for there, not in all that the spec allows."""
    assert pod_body(FULL, offer("runpod", region="EU-CZ-1"))["dataCenterIds"] == ["EU-CZ-1"]


def test_a_data_centre_that_the_spec_leaves_out_is_not_asked_for() -> None:
    """The spec's own data centres hold, whatever is in stock elsewhere; a finding says so."""
    found = offer("runpod", region="US-KS-2")
    assert pod_body(FULL, found)["dataCenterIds"] == ["EU-RO-1", "EU-CZ-1"]
    assert levels(check(FULL, found))["data-centers"] is Level.WARN


def test_the_catalogues_own_id_of_the_gpu_is_sent() -> None:
    """One GPU of ours may be several of RunPod's: what was in stock is what is asked for."""
    workstation = "NVIDIA RTX PRO 6000 Blackwell Workstation Edition"
    body = pod_body(DEFAULT, offer("runpod", "RTX PRO 6000", gpu_id=workstation))
    assert body["gpu"] == {"id": workstation, "count": 1, "minCudaVersion": "12.8"}


def test_a_raw_port_gets_the_gateways_own_tls() -> None:
    """The proxy has TLS; a TCP port has none but the gateway's."""
    assert "PLEXCTL_TLS" not in environment(DEFAULT, OFFER)
    assert environment(with_runpod(DEFAULT, expose="tcp"), OFFER)["PLEXCTL_TLS"] == "self-signed"


@pytest.mark.parametrize("spec", [Spec(limits=Limits(ttl_s=60)), Spec(gateway=Gateway(idle_timeout_s=60))])
def test_a_gateway_with_an_end_ends_its_pod(spec: Spec) -> None:
    """A container that merely ended would be started again; without an end there is nothing to order."""
    assert environment(spec, OFFER)["PLEXCTL_SELF_DESTRUCT"] == "runpod"
    assert "PLEXCTL_SELF_DESTRUCT" not in environment(DEFAULT, OFFER)


def test_the_community_cloud_is_never_pinned() -> None:
    """Pinned to a data centre, a community create fails for ever (runpodctl#326)."""
    body = pod_body(with_runpod(FULL, cloud="community"), offer("runpod", region="EU-CZ-1"))
    assert body["cloud"] == "COMMUNITY"
    assert "dataCenterIds" not in body


def test_the_plan_names_the_pod_its_steps_and_the_secrets_to_supply() -> None:
    """One resource under its label; secrets that RunPod keeps are not asked of the user."""
    plan = build_plan(FULL, OFFER)
    body = {"method": "POST", "path": "/v2/pods", "json": pod_body(FULL, OFFER), "ttl_s": 28800}
    assert plan.resources == (PlannedResource("pod", "plexctl-voice-${PLEXCTL_ID}", body),)
    assert plan.secrets == ("PLEXCTL_TOKEN", "WEBHOOK")
    assert plan.steps == (
        Step("look up", "plexctl-voice-${PLEXCTL_ID}", "GET /v2/pods: a pod of that name is adopted, never made twice"),
        Step(
            "look up",
            "1 x NVIDIA GeForce RTX 4090",
            "GET /v2/catalog/gpus?include=AVAILABILITY&product=POD: in stock, secure cloud, EU-RO-1, EU-CZ-1",
        ),
        Step("look up", "network volume", "GET /v2/network-volumes/agv6w2qcg7: its data centre is the pod's"),
        Step("create", "pod", "POST /v2/pods"),
        Step("wait", "pod", "GET /v2/pods/${RUNPOD_POD_ID} until RUNNING, which is not yet ready"),
        Step(
            "wait",
            "gateway",
            "/health at runtime.ports of the pod (private port 8998), with the certificate that its log names, until "
            "an engine is ready",
        ),
        Step("probe", "voice", "a conversation through the same address"),
    )


def test_behind_the_proxy_the_address_is_known_but_for_the_pods_id() -> None:
    """RunPod's proxy has one name for each pod and port."""
    assert build_plan(DEFAULT, OFFER).steps[4].detail == (
        "/health at https://${RUNPOD_POD_ID}-8998.proxy.runpod.net until an engine is ready"
    )


def test_a_gpu_that_no_image_serves_is_refused() -> None:
    """A V100 computes no bf16: nothing is planned for it."""
    with pytest.raises(PreflightError, match="no bf16"):
        build_plan(DEFAULT, offer("runpod", "V100 16GB"))


def test_what_is_said_of_the_smallest_spec() -> None:
    """Without an image, behind a proxy of unknown patience, with readable secrets, for ever: four warnings."""
    assert levels(check(DEFAULT, OFFER)) == {
        "image": Level.WARN,
        "volume": Level.OK,
        "exposure": Level.WARN,
        "secrets": Level.WARN,
        "lifetime": Level.WARN,
    }


def test_what_is_said_of_the_full_spec() -> None:
    """A digest and a data centre for the volume pass; what RunPod keeps is named; the rest stays a warning."""
    found = check(FULL, OFFER)
    assert levels(found) == {
        "image": Level.OK,
        "network-volume": Level.OK,
        "exposure": Level.OK,
        "secrets": Level.WARN,
        "console-secrets": Level.OK,
        "lifetime": Level.WARN,
    }
    said = {one.check: one.message for one in found}
    assert said["secrets"].startswith("PLEXCTL_TOKEN, WEBHOOK will stand in the pod's environment in the clear")
    assert "HF_TOKEN" not in said["secrets"]
    assert "reads its fingerprint from the pod's log and pins it" in said["exposure"]
    assert "after 28800 s or 90 s after the last call the gateway ends its pod" in said["lifetime"]


@pytest.mark.parametrize(
    ("spec", "gpu", "words", "fix"),
    [
        (
            Spec(runpod=RunPod(cloud="community", data_centers=("EU-RO-1",))),
            "RTX 4090",
            "the community cloud takes no data centres: EU-RO-1 would not be asked for",
            'leave runpod.data_centers empty, or set runpod.cloud = "secure"',
        ),
        (
            Spec(runpod=RunPod(cloud="community", network_volume="v", data_centers=())),
            "RTX 4090",
            "network volumes are for the secure cloud only (docs.runpod.io/storage/network-volumes)",
            'leave runpod.network_volume out, or set runpod.cloud = "secure"',
        ),
        (
            Spec(runpod=RunPod(volume_gb=17)),
            "RTX 4090",
            "a volume of 17 GB cannot hold the weights, which take 18 GB",
            "set runpod.volume_gb to 40",
        ),
        (
            Spec(env={f"V{number}": "" for number in range(44)}),
            "RTX 4090",
            "a pod takes up to 50 variables, and this one would have 51",
            "shorten env",
        ),
        (
            Spec(env={"RUNPOD_POD_ID": "x"}, secrets=("RUNPOD_API_KEY",)),
            "RTX 4090",
            "RunPod sets RUNPOD_API_KEY and RUNPOD_POD_ID in each pod itself, and the pod ends itself by them",
            "leave RUNPOD_API_KEY and RUNPOD_POD_ID out of env and secrets",
        ),
        (
            Spec(engine="echo"),
            None,
            "no GPU is named, and RunPod takes exactly one kind, without a fallback",
            "name one with --gpu, such as RTX 4090",
        ),
    ],
)
def test_what_runpod_would_refuse_fails_here_with_its_fix(spec: Spec, gpu: str | None, words: str, fix: str) -> None:
    """Before anything is sent, the finding names the reason and the setting to change."""
    assert failures(check(spec, offer("runpod", gpu))) == [(words, fix)]


def test_the_owner_of_a_community_host_is_named() -> None:
    """On the community cloud strangers hold the machine, and so what stands in its memory."""
    said = {one.check: one.message for one in check(Spec(runpod=RunPod(cloud="community")), OFFER)}
    assert "the owner of the host" in said["secrets"]


def test_only_secrets_that_are_used_must_be_in_the_console() -> None:
    """The echo engine reads no HF_TOKEN: nobody is sent to set one."""
    checks = {one.check for one in check(Spec(engine="echo", runpod=RunPod(console_secrets=("HF_TOKEN",))), OFFER)}
    assert "console-secrets" not in checks


def test_a_lifetime_says_who_ends_the_pod() -> None:
    """REST v2 knows no lifetime: the gateway ends its pod, by a right that is not documented; and who does it else."""
    (found,) = [one for one in check(Spec(limits=Limits(ttl_s=3600)), OFFER) if one.check == "lifetime"]
    assert "`terminateAfter` is not in its description" in found.message
    assert "after 3600 s the gateway ends its pod with the key that RunPod puts into each pod" in found.message
    assert "is not documented" in found.message
    assert found.fix == "`plexctl gc --expired --delete` ends what is left all the same"
