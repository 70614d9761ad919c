"""Plans and files of Modal and Cloud Run: pure, quick, without secrets, and open to the user's own templates."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest
from tests.serverless.variants import VARIANTS, files_of, offer_of, plan_of, spec_of, variant_spec

from plexctl.registry import pure_half
from plexctl_providers._common.placeholders import names_in

PROVIDERS = ("modal", "cloudrun")
every_provider = pytest.mark.parametrize("provider", PROVIDERS)
every_variant = pytest.mark.parametrize("variant", VARIANTS)
MAKE = """
import json, socket, sys
def refuse(*_): raise AssertionError("a plan asked somebody")
socket.socket.connect = socket.getaddrinfo = refuse
from tests.serverless.variants import VARIANTS, files_of, plan_of
import msgspec
plans = {v: msgspec.json.encode(plan_of(sys.argv[1], v)).decode() for v in VARIANTS}
loaded = sorted({"modal", "modal_proto", "google", "grpclib", "jinja2", "asyncio"} & set(sys.modules))
files = {v: files_of(sys.argv[1], v) for v in VARIANTS}
print(json.dumps({"plans": plans, "loaded": loaded, "files": files}))
"""
CANARIES = {
    name: f"canary-{name.lower()}"
    for name in (
        *("HF_TOKEN", "PLEXCTL_TOKEN", "EXTRA", "MODAL_TOKEN_ID", "MODAL_TOKEN_SECRET", "GOOGLE_CLOUD_PROJECT"),
        *("GOOGLE_APPLICATION_CREDENTIALS", "PLEXCTL_ID", "PLEXCTL_EXPIRES_AT"),
    )
}


def made(provider: str, **env: str) -> str:
    """Return what a fresh Python makes of all variants."""
    own = {"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", MAKE, provider]
    return subprocess.run(command, env=own | env, capture_output=True, text=True, check=True).stdout


@every_provider
def test_plans_and_files_depend_on_the_spec_alone(provider: str) -> None:
    """Other hash seeds and an environment full of credentials change no byte; no credential is in any file."""
    bare = made(provider, PYTHONHASHSEED="1")
    assert made(provider, PYTHONHASHSEED="2", **CANARIES) == bare
    assert "canary" not in bare


@every_provider
def test_a_plan_loads_no_sdk_and_asks_nobody(provider: str) -> None:
    """Neither a vendor's package nor a template engine is loaded for a plan, and no socket is opened."""
    assert json.loads(made(provider))["loaded"] == []


@every_variant
@every_provider
def test_a_plan_is_quick(provider: str, variant: str) -> None:
    """A plan and its findings take under 100 ms; the best of three, for the machine may be busy."""
    spec, offer, half = variant_spec(provider, variant), offer_of(provider, variant), pure_half(provider)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        half.build_plan(spec, offer)
        half.check(spec, offer)
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 0.1


@every_variant
@every_provider
def test_a_plan_names_every_secret_that_it_needs(provider: str, variant: str) -> None:
    """The placeholders of a plan are its secrets (base64 for Google's API) and what is known only later."""
    plan = plan_of(provider, variant)
    later = {"PLEXCTL_ID", "PLEXCTL_EXPIRES_AT", "PLEXCTL_CONTEXT", "PLEXCTL_IMAGE_DIGEST"}
    later |= {"GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_PROJECT_NUMBER"}
    names = set(names_in([one.body for one in plan.resources])) - later
    assert {name.removesuffix("_BASE64") for name in names} == set(plan.secrets)
    assert "PLEXCTL_TOKEN" in plan.secrets


@every_variant
@every_provider
def test_a_plan_is_told_to_its_end(provider: str, variant: str) -> None:
    """The steps end with waiting for the engine and a probe: what is up is not yet what talks."""
    steps = plan_of(provider, variant).steps
    assert [step.action for step in steps[-2:]] == ["wait", "probe"]
    assert "/health" in steps[-2].detail


@pytest.mark.parametrize(("provider", "template"), [("modal", "modal_app.py"), ("cloudrun", "deploy.sh")])
def test_the_users_template_stands_before_ours(tmp_path: Path, provider: str, template: str) -> None:
    """A file of the same name in the user's folder is rendered instead, with the same values."""
    own = tmp_path / provider / f"{template}.j2"
    own.parent.mkdir()
    own.write_text("mine for {{ deployment }}\n", encoding="utf-8")
    spec = spec_of(provider, {"engine": "echo", "templates": {"folder": str(tmp_path)}})
    half = pure_half(provider)
    files = half.build_files(spec, half.build_plan(spec, offer_of(provider)))
    assert files[template] == "mine for personaplex\n"


@every_provider
def test_all_that_is_needed_to_build_is_rendered(provider: str) -> None:
    """The image's folder has its Dockerfile and the gateway's sources; with an image given there are no sources."""
    assert {"image/Dockerfile", "image/plexctl/gateway/__main__.py"} <= set(files_of(provider, "default"))
    assert not any(name.startswith("image/plexctl/") for name in files_of(provider, "given"))


@every_provider
def test_an_id_is_a_part_of_every_name(provider: str) -> None:
    """Two deployments of one spec share nothing but what is meant to be shared."""
    shared = {one.kind for one in plan_of(provider, "default").resources if "${PLEXCTL_ID}" not in one.name}
    assert shared == {"modal": {"volume"}, "cloudrun": {"apis", "repository", "source"}}[provider]


@every_provider
def test_plans_are_json(provider: str) -> None:
    """A plan survives the journey through a JSON document."""
    body = plan_of(provider, "full").resources[-1].body
    assert json.loads(msgspec.json.encode(body)) == body
