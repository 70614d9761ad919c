"""What others' linters say of the rendered files."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.images.rig import GPU, NO_GPU, PLAIN, TRICKY, local_files, run, tool, write

from plexctl.images import PROFILES, Profile, context_files
from plexctl.model import Offer
from plexctl.spec import Spec


@pytest.mark.parametrize("profile", PROFILES.values(), ids=lambda profile: profile.name)
def test_hadolint_finds_nothing(profile: Profile) -> None:
    """No finding at warning level or above in any profile's Dockerfile."""
    dockerfile = context_files(PLAIN, profile)["Dockerfile"]
    done = run(tool("hadolint"), "--failure-threshold", "warning", "-", stdin=dockerfile)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("offer", [NO_GPU, GPU], ids=["echo", "personaplex"])
@pytest.mark.parametrize("spec", [PLAIN, TRICKY], ids=["plain", "tricky"])
def test_shellcheck_finds_nothing(spec: Spec, offer: Offer, tmp_path: Path) -> None:
    """No finding at warning level or above in any script, whatever a prompt holds."""
    scripts = {path: text for path, text in local_files(spec, offer).items() if path.endswith(".sh")}
    assert {"run.sh", "image/entrypoint.sh"} <= set(scripts)
    write(scripts, tmp_path)
    done = run(tool("shellcheck"), "--severity=warning", *(tmp_path / path for path in scripts))
    assert done.returncode == 0, done.stdout
