"""What `check` says of a spec before it goes to Modal or Cloud Run."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from tests.serverless.variants import IMAGE, offer_of, spec_of

from plexctl.model import Finding, Level, Offer
from plexctl.registry import pure_half

REAL: dict[str, Any] = {"engine": "personaplex"}


def findings(provider: str, values: dict[str, Any], **offer: Any) -> dict[str, Finding]:
    """Return the findings by their check; one that is said twice keeps its worst."""
    asked = msgspec.structs.replace(spec_of(provider, values))
    chosen = offer_of(provider)
    changed = Offer(**{name: offer.get(name, getattr(chosen, name)) for name in Offer.__match_args__})
    order = [Level.OK, Level.WARN, Level.FAIL]
    found = pure_half(provider).check(asked, changed)
    return {one.check: one for one in sorted(found, key=lambda one: order.index(one.level))}


def modal(**values: Any) -> dict[str, Any]:
    """Return a spec with these values for Modal."""
    return REAL | {"modal": values}


def run(**values: Any) -> dict[str, Any]:
    """Return a spec with these values for Cloud Run."""
    return REAL | {"cloudrun": {"project": "my-project", **values}}


@pytest.mark.parametrize(
    ("provider", "values", "warned"), [("modal", REAL, set()), ("cloudrun", run(), {"gpu-quota"})], ids=["modal", "run"]
)
def test_the_defaults_pass(provider: str, values: dict[str, Any], warned: set[str]) -> None:
    """With nothing set nothing fails; Cloud Run's GPU quota is the one thing to be asked for."""
    found = findings(provider, values)
    assert {name for name, one in found.items() if one.level is not Level.OK} == warned


@pytest.mark.parametrize("provider", ["modal", "cloudrun"])
def test_echo_is_said_to_be_a_trial(provider: str) -> None:
    """Echo needs no GPU, and is not taken for PersonaPlex."""
    found = findings(provider, {"engine": "echo"})
    assert "not PersonaPlex" in found["engine"].message
    assert not {"gpu", "gpu-quota", "weights", "memory-quota"} & set(found)
    assert all(one.level is not Level.FAIL for one in found.values())


@pytest.mark.parametrize(
    ("values", "check", "level", "words"),
    [
        (modal(gpu_fallbacks=["B200"]), "gpu-fallback", Level.FAIL, "cu128"),
        (modal(gpu_fallbacks=["B200"]) | {"image": {"profile": "cu128"}}, "gpu-fallback", None, ""),
        (modal(gpu_fallbacks=["T4"]), "gpu-fallback", Level.FAIL, "no bf16"),
        (modal(gpu_fallbacks=["NEWEST"]), "gpu-fallback", Level.WARN, "no GPU that plexctl knows"),
        (modal(gpu_fallbacks=["A100-80GB", "H100"]), "gpu-fallback", None, ""),
        (modal(min_containers=1), "min-containers", Level.WARN, "bill all day"),
        (modal(min_containers=2, max_containers=1), "containers", Level.FAIL, "above"),
        (modal(max_containers=2), "max-containers", Level.WARN, "health check"),
        (modal(scaledown_window_s=10), "scaledown", Level.WARN, "before it has loaded"),
        (modal(regions=["eu-west"]), "regions", Level.WARN, "eu-west"),
        (modal(volume="my weights"), "name", Level.FAIL, "modal.volume"),
        (modal(environment='x"""'), "name", Level.FAIL, "modal.environment"),
        (REAL | {"gateway": {"idle_timeout_s": 60}}, "idle-timeout", Level.WARN, "scaledown_window_s"),
        (REAL | {"gateway": {"port": 9000}}, "port", Level.WARN, "8998"),
        (REAL | {"gateway": {"max_session_s": 90000}}, "session", Level.WARN, "86400"),
        (REAL | {"limits": {"ttl_s": 60}}, "ttl", Level.WARN, "the app stays"),
        (REAL | {"image": {"profile": "echo"}}, "image-profile", Level.FAIL, "no torch"),
        (REAL | {"image": {"name": "ghcr.io/you/p:latest"}}, "image", Level.WARN, "tag"),
        (REAL | {"image": {"name": IMAGE}}, "image", Level.OK, IMAGE),
    ],
)
def test_modal(values: dict[str, Any], check: str, level: Level | None, words: str) -> None:
    """What Modal would refuse fails, what costs or is not as one may think warns, each with what to do."""
    found = findings("modal", values).get(check)
    assert (found and found.level) == level
    if found and level is not Level.OK:
        assert words in found.message
        assert found.fix


@pytest.mark.parametrize(
    ("values", "check", "level", "words"),
    [
        (REAL, "project", Level.WARN, "no project"),
        (run() | {"name": "a" * 34}, "name", None, ""),
        (run() | {"name": "a" * 35}, "name", Level.FAIL, "50 characters"),
        (run() | {"name": "my-google-voice"}, "name", Level.FAIL, "Google"),
        (run(project="My Project"), "name", Level.FAIL, "cloudrun.project"),
        (run(repository="a_b"), "name", Level.FAIL, "cloudrun.repository"),
        (run(bucket="$(id)"), "name", Level.FAIL, "cloudrun.bucket"),
        (run(service_account="me"), "name", Level.FAIL, "cloudrun.service_account"),
        (run() | {"env": {"PORT": "1"}}, "variables", Level.FAIL, "PORT"),
        (run() | {"secrets": ["K_SERVICE"]}, "variables", Level.FAIL, "K_SERVICE"),
        (run(zonal_redundancy=True), "gpu-quota", Level.WARN, "zonal redundancy"),
        (run(cpu=4, memory_gib=8), "resources", Level.FAIL, "4 CPU and 16 GiB at least"),
        (run(cpu=4, memory_gib=32), "resources", Level.WARN, "4 GiB a CPU"),
        (run(cpu=4, memory_gib=16), "memory", Level.WARN, "pass through memory"),
        (run(cpu=4, memory_gib=16, weights="memory"), "memory", Level.FAIL, "pass through memory"),
        (run(weights="memory"), "weights", Level.WARN, "each cold start"),
        (run(weights="bucket"), "weights", Level.OK, "fetched once"),
        (run(max_instances=2), "memory-quota", Level.WARN, "2 x 32 GiB"),
        (run(max_instances=2), "max-instances", Level.WARN, "busy"),
        (run(min_instances=1), "min-instances", Level.WARN, "bill all day"),
        (run(min_instances=2), "instances", Level.FAIL, "above"),
        (run(private=True), "callers", Level.WARN, "X-Serverless-Authorization"),
        (run(), "callers", Level.OK, "token"),
        (run() | {"image": {"profile": "cu128"}}, "image-profile", Level.FAIL, "535"),
        (run() | {"image": {"profile": "echo"}}, "image-profile", Level.FAIL, "echo"),
        (run() | {"image": {"name": "ghcr.io/you/p:1"}}, "image-registry", Level.WARN, "Artifact Registry"),
        (run() | {"image": {"name": IMAGE}}, "image-registry", None, ""),
        (run() | {"image": {"name": "europe-docker.pkg.dev/p/r/i:1"}}, "image-registry", None, ""),
        (run() | {"gateway": {"max_session_s": 7200}}, "session", Level.WARN, "3540"),
        (run() | {"gateway": {"idle_timeout_s": 60}}, "idle-timeout", Level.WARN, "15 minutes"),
        (run() | {"gateway": {"port": 9000}}, "port", Level.WARN, "8998"),
        (run() | {"limits": {"ttl_s": 60}}, "ttl", Level.WARN, "the service stays"),
    ],
)
def test_cloud_run(values: dict[str, Any], check: str, level: Level | None, words: str) -> None:
    """What Google would refuse fails, what costs or is not as one may think warns, each with what to do."""
    found = findings("cloudrun", values).get(check)
    assert (found and found.level) == level
    if found and level is not Level.OK:
        assert words in found.message
        assert found.fix


@pytest.mark.parametrize(
    ("gpu", "region", "check", "level"),
    [
        ("L4", "europe-west4", "region", None),
        ("L4", None, "region", None),
        ("L4", "us-central1", "region", Level.WARN),
        ("L4", "europe-north1", "region", Level.FAIL),
        ("RTX PRO 6000", "us-central1", "region", None),
        ("RTX PRO 6000", "us-east4", "region", Level.FAIL),
        ("RTX PRO 6000", "us-central1", "image-profile", None),
        ("RTX PRO 6000", "us-central1", "memory-quota", Level.WARN),
        ("H100 SXM", "us-central1", "gpu", Level.FAIL),
    ],
)
def test_each_gpu_of_cloud_run_is_somewhere(gpu: str, region: str | None, check: str, level: Level | None) -> None:
    """Regions, images and quota are judged by the GPU."""
    found = findings("cloudrun", run(), gpu=gpu, region=region).get(check)
    assert (found and found.level) == level


def test_an_instance_has_one_gpu() -> None:
    """Offers of several GPUs are refused."""
    assert findings("cloudrun", run(), count=2)["gpu"].level is Level.FAIL


@pytest.mark.parametrize("gpu", ["T4", "H100 SXM"])
def test_a_gpu_that_no_image_serves_is_a_finding(gpu: str) -> None:
    """It is said, not raised, on Modal; what serves passes."""
    found = findings("modal", REAL, gpu=gpu).get("gpu")
    assert (found is None) == (gpu != "T4")
