"""What is rendered: the plan's own bodies, twice the same, without secrets, and scripts that shellcheck passes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from tests.marketplaces.examples import DEFAULT, ECHO, FULL, offer

from plexctl.errors import ConfigurationError
from plexctl.images import profile_of
from plexctl.images.context import context_files
from plexctl.model import Plan
from plexctl.registry import pure_half
from plexctl.spec import Spec, Templates

SHELLCHECK = Path(sys.executable).with_name("shellcheck")
SECRETS = (
    *("RUNPOD_API_KEY", "VAST_API_KEY", "HF_TOKEN", "PLEXCTL_TOKEN", "WEBHOOK", "MODAL_TOKEN_SECRET"),
    *("LAMBDA_API_KEY", "OVH_APPLICATION_SECRET", "GOOGLE_APPLICATION_CREDENTIALS", "AWS_SECRET_ACCESS_KEY"),
)
FILES = {
    "runpod": ["create-pod.json", "create-pod.sh"],
    "vast": ["create-instance.json", "create-instance.sh", "search.json"],
}
PROVIDERS = pytest.mark.parametrize("provider", list(FILES))
EVERY = pytest.mark.parametrize("spec", [DEFAULT, FULL, ECHO], ids=["default", "full", "echo"])


def lay_out(provider: str, spec: Spec) -> tuple[Plan, dict[str, str]]:
    """Return a plan and its files."""
    half = pure_half(provider)
    plan = half.build_plan(spec, offer(provider))
    return plan, half.build_files(spec, plan)


@PROVIDERS
@EVERY
def test_the_files_are_the_plans_own_bodies(provider: str, spec: Spec) -> None:
    """What is read is what would be sent, to the last field; the image's context comes along."""
    plan, files = lay_out(provider, spec)
    body: Any = plan.resources[0].body
    image = context_files(spec, profile_of(spec, "RTX 4090", provider))
    assert sorted(path for path in files if not path.startswith("image/")) == FILES[provider]
    assert {path for path in files if path.startswith("image/")} == {f"image/{path}" for path in image}
    assert json.loads(files[FILES[provider][0]]) == body["json"]
    if provider == "vast":
        assert json.loads(files["search.json"]) == body["search"]["json"]


@PROVIDERS
@EVERY
def test_the_same_input_gives_the_same_bytes(provider: str, spec: Spec) -> None:
    """Plan and files hold no time, no random part and no order of chance."""
    assert lay_out(provider, spec) == lay_out(provider, spec)
    assert repr(lay_out(provider, spec)[0]) == repr(lay_out(provider, spec)[0])


@PROVIDERS
def test_a_plan_takes_under_100_ms(provider: str) -> None:
    """The best of five: planning is arithmetic."""
    half, took = pure_half(provider), []
    for _ in range(5):
        start = time.perf_counter()
        half.build_plan(FULL, offer(provider))
        half.check(FULL, offer(provider))
        took.append(time.perf_counter() - start)
    assert min(took) < 0.1


@PROVIDERS
@EVERY
def test_no_value_of_the_environment_is_rendered(provider: str, spec: Spec, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys and tokens that are set while rendering stand in no file, no plan and no finding."""
    for name in SECRETS:
        monkeypatch.setenv(name, f"canary-{name}")
    plan, files = lay_out(provider, spec)
    findings = pure_half(provider).check(spec, offer(provider))
    assert "canary-" not in repr(plan) + repr(findings) + "".join(files.values())


@PROVIDERS
@EVERY
def test_shellcheck_passes_the_script(provider: str, spec: Spec, tmp_path: Path) -> None:
    """Without a single remark, style included."""
    _, files = lay_out(provider, spec)
    (path,) = [tmp_path / name for name in files if name.endswith(".sh") and "/" not in name]
    path.write_text(files[path.name], encoding="utf-8")
    argv = [str(SHELLCHECK), "--severity=style", str(path)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""


def test_a_known_ask_needs_no_search_in_the_script() -> None:
    """A plan for one offer rents that one."""
    half = pure_half("vast")
    plan = half.build_plan(DEFAULT, offer("vast", ask_id="7654321"))
    script = half.build_files(DEFAULT, plan)["create-instance.sh"]
    assert 'call PUT "/api/v0/asks/7654321/"' in script
    assert "VAST_ASK_ID" not in script


@PROVIDERS
def test_a_template_of_the_users_stands_before_ours(provider: str, tmp_path: Path) -> None:
    """And a variable that it misspells is named with its line."""
    name = next(path for path in FILES[provider] if path.endswith(".sh"))
    own = tmp_path / provider / f"{name}.j2"
    own.parent.mkdir()
    own.write_text("#!/bin/sh\necho {{ path }}\n", encoding="utf-8")
    spec = structs.replace(DEFAULT, templates=Templates(folder=str(tmp_path)))
    assert lay_out(provider, spec)[1][name].startswith("#!/bin/sh\necho /")
    own.write_text("#!/bin/sh\necho {{ paths }}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=rf"{name}\.j2, line 2: 'paths' is undefined"):
        lay_out(provider, spec)
