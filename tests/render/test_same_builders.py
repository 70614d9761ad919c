"""What is rendered is what is deployed: the same plan, from the same builder."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from plexctl.contract import Context
from plexctl.model import Offer
from plexctl.registry import BUILT_IN, PURE, provider_class, pure_half
from plexctl.spec import PROVIDERS, Spec

OFFERS = {
    "local": Offer("local", "NVIDIA L40S", 1, None, 0.0, "this machine", None),
    "ssh": Offer("ssh", None, 1, None, 0.0, "own hardware", None),
    "modal": Offer("modal", "L40S", 1, None, 1.95, "a sample", "2026-05-07"),
    "cloudrun": Offer("cloudrun", "L4", 1, "europe-west4", 1.4, "a sample", "2026-05-07"),
    "runpod": Offer("runpod", "L40S", 1, None, None, "a sample", "2026-05-07"),
    "vast": Offer("vast", "RTX 4090", 1, None, None, "a sample", "2026-05-07"),
    "lambda": Offer("lambda", "A10", 1, None, 0.86, "a sample", "2026-05-07"),
    "ovh": Offer("ovh", "L4", 1, None, 0.81, "a sample", "2024-10-24"),
}


def test_every_provider_has_a_pure_half() -> None:
    """All eight can be planned and rendered without anything but plexctl itself."""
    assert set(PURE) == set(PROVIDERS) == set(OFFERS)


@pytest.mark.parametrize("engine", ["echo", "personaplex"])
@pytest.mark.parametrize("name", PURE)
def test_two_plans_are_the_same_to_the_byte(name: str, engine: str) -> None:
    """A plan is a function of spec and offer, and its files are a function of spec and plan."""
    spec = msgspec.convert({"provider": name, "engine": engine}, Spec)
    half = pure_half(name)
    plans = [half.build_plan(spec, OFFERS[name]) for _ in range(2)]
    assert msgspec.json.encode(plans[0]) == msgspec.json.encode(plans[1])
    assert plans[0].steps, "it says what will be done"
    assert plans[0].resources, "it says what will exist"
    files = [half.build_files(spec, plan) for plan in plans]
    assert files[0] == files[1]


@pytest.mark.parametrize("engine", ["echo", "personaplex"])
@pytest.mark.parametrize("name", BUILT_IN)
def test_an_adapter_plans_by_its_pure_half(tmp_path: Path, name: str, engine: str) -> None:
    """What `deploy` applies is what `plan` shows and `render` writes."""
    spec = msgspec.convert({"provider": name, "engine": engine}, Spec)
    adapter = provider_class(name)(Context(tmp_path, {}, {}, lambda: 0.0))
    assert adapter.plan(spec, OFFERS[name]) == pure_half(name).build_plan(spec, OFFERS[name])
