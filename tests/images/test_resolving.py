"""A resolver's answer for each profile: all pins together, and the CUDA that its torch brings. Needs an index."""

from __future__ import annotations

from functools import cache

import pytest
from tests.images.rig import PLAIN, pins_of, run, tool, torch_pins
from tests.images.test_context import EVERY, EVERY_TORCH, UPSTREAM_PINS

from plexctl.images import PROFILES, Profile, context_files

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def resolved(profile: Profile, requirements: str) -> dict[str, str]:
    """Return the versions that a resolver takes for an image of this profile; fail with its words when it cannot."""
    return pins_of(answer(profile.machine, requirements))


@cache
def answer(machine: str, requirements: str) -> str:
    """Return the resolver's answer, asked for once: profiles share what is the same for their machines."""
    uv = (tool("uv"), "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--python-version", "3.12")
    done = run(*uv, "--python-platform", f"{machine}-unknown-linux-gnu", "-", stdin=requirements)
    assert done.returncode == 0, done.stderr
    return done.stdout


def text_of(pins: dict[str, str]) -> str:
    """Return pins as a requirements file."""
    return "".join(f"{name}=={version}\n" for name, version in pins.items())


@EVERY
def test_the_gateways_pins_resolve_and_are_whole(profile: Profile) -> None:
    """The gateway's environment needs nothing that is not pinned, and no two pins contradict each other."""
    pins = pins_of(context_files(PLAIN, profile)["gateway-requirements.txt"])
    assert resolved(profile, text_of(pins)) == pins


@EVERY_TORCH
def test_the_engines_pins_resolve_and_are_whole(profile: Profile) -> None:
    """Torch, its CUDA and upstream's own pins make one environment, with nothing missing."""
    pins = torch_pins(profile, context_files(PLAIN, profile))
    assert resolved(profile, text_of(pins)) == pins


@pytest.mark.slow
@EVERY_TORCH
def test_the_default_torch_brings_the_profiles_cuda(profile: Profile) -> None:
    """Asked for the named packages only, a resolver adds the others that are pinned, and the CUDA that is promised."""
    pins = torch_pins(profile, context_files(PLAIN, profile))
    names = [*UPSTREAM_PINS, "accelerate", "pyloudnorm", "torch"]
    found = resolved(profile, text_of({name: pins[name] for name in names}))
    assert set(found) == set(pins)
    assert f"torch=={found['torch']}" == profile.torch
    runtime = found.get("nvidia-cuda-runtime-cu12") or found["nvidia-cuda-runtime"]
    assert runtime.startswith(f"{profile.cuda}.")


@pytest.mark.slow
def test_upstreams_own_torch_is_that_of_cu121() -> None:
    """With upstream's bound of torch a resolver takes the cu121 profile's, as upstream's users get it."""
    profile = PROFILES["cu121"]
    wanted = "".join(f"{name}{bounds}\n" for name, bounds in UPSTREAM_PINS.items())
    assert f"torch=={resolved(profile, wanted + 'torch>=2.2.0,<2.5')['torch']}" == profile.torch
