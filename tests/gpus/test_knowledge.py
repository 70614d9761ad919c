from __future__ import annotations

import datetime as dt
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest

from plexctl.errors import UsageError
from plexctl.gpus import Gpu, find, known, matching
from plexctl.gpus.speed import our_measurements
from plexctl.gpus.table import data
from plexctl.spec import PROVIDERS

UNVERIFIED = "vendor datasheet, from memory, not verified"


@pytest.mark.parametrize("gpu", known(), ids=lambda gpu: gpu.name)
def test_each_row_has_a_source_and_a_date(gpu: Gpu) -> None:
    """Who says so and when; what nobody verified says so; figures are of this world; providers are real ones."""
    assert len(gpu.source) > 10
    assert dt.date.fromisoformat(gpu.as_of) <= dt.datetime.now(dt.UTC).date()
    if gpu.name != "H200":
        assert gpu.source == UNVERIFIED
    assert 8 <= gpu.vram_gib <= 300
    assert 100 <= gpu.bandwidth_gb_s <= 10_000
    assert re.fullmatch(r"\d{1,2}\.\d", gpu.compute_capability)
    assert gpu.machine in ("x86_64", "aarch64")
    assert set(gpu.aliases) <= {*PROVIDERS, "any", "cuda"}


@pytest.mark.parametrize("left_out", ["source", "as_of", "vram_gib", "bandwidth_gb_s"])
def test_a_row_without_a_fact_is_rejected(left_out: str) -> None:
    """A row that lacks source, date or a figure cannot even be loaded."""
    row = {key: value for key, value in data()["gpus"][0].items() if key != left_out}
    with pytest.raises(TypeError, match=left_out):
        Gpu(**row)
    assert {one.name for one in fields(Gpu)} == set(data()["gpus"][0])


def test_measurements_name_their_gpu_and_source() -> None:
    """What ships as measured says on what, by whom and when."""
    for one in our_measurements():
        assert find(one.gpu).name == one.gpu
        assert len(one.source) > 10
        assert dt.date.fromisoformat(one.as_of).year >= 2026


def test_every_gpu_of_the_facts_is_known() -> None:
    """The GPUs that the providers rent, and those of users' reports."""
    wanted = (
        "T4 V100 L4 A10 A10G A4000 A4500 A5000 A6000|RTX 4000 Ada|RTX 6000 Ada|3090|4090|5090|5070 Ti|4060 Ti|4080|L40"
        "|L40S|A40|A100|A100 40GB|A100 80GB|H100 PCIe|H100 SXM|H100 NVL|H200|GH200"
        "|B200|B300|RTX PRO 6000|GB10|Jetson Thor"
    )
    names = [name for part in wanted.split("|") for name in (part.split() if part.startswith("T4") else [part])]
    assert all(matching(name) for name in names), [name for name in names if not matching(name)]


@pytest.mark.parametrize("gpu", known(), ids=lambda gpu: gpu.name)
def test_each_alias_finds_its_own_row(gpu: Gpu) -> None:
    """Each name that a provider uses leads to the row it stands in."""
    for provider, names in gpu.aliases.items():
        for name in names:
            assert gpu in matching(name, None if provider == "any" else provider), (provider, name)
    assert find(gpu.name) == gpu


@pytest.mark.parametrize(
    ("name", "provider", "row"),
    [
        ("l4", None, "L4"),
        ("nvidia-l4", "cloudrun", "L4"),
        ("NVIDIA GeForce RTX 4090", "cuda", "RTX 4090"),
        ("rtx_4090", "vast", "RTX 4090"),
        ("A100", "modal", "A100 40GB"),
        ("A100", "ovh", "A100 80GB PCIe"),
        ("A100", None, "A100 40GB"),
        ("H100", "modal", "H100 SXM"),
        ("H100", None, "H100 PCIe"),
        ("gpu_1x_a10", "lambda", "A10"),
        ("NVIDIA H100 80GB HBM3", "cuda", "H100 SXM"),
        ("NVIDIA A100-SXM4-80GB", "runpod", "A100 80GB SXM"),
        ("NVIDIA RTX 6000 Ada Generation", "cuda", "RTX 6000 Ada"),
        ("RTX 3090", None, "RTX 3090"),
        ("3090 ti", None, "RTX 3090 Ti"),
    ],
)
def test_names_are_found_as_people_and_providers_write_them(name: str, provider: str | None, row: str) -> None:
    """Case, punctuation and vendor words do not matter; a family is its least variant."""
    assert find(name, provider).name == row


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("RTX 4900", "'RTX 4090'"),
        ("l40z", "'L40S'|'L40'"),
        ("H20", "'H200'|'H100'"),
        ("zzz", "no GPU is called 'zzz'$"),
    ],
)
def test_an_unknown_gpu_is_refused_with_the_nearest_name(name: str, near: str) -> None:
    """Exit code 2, and what was probably meant."""
    with pytest.raises(UsageError, match=near) as caught:
        find(name)
    assert caught.value.exit_code == 2


def test_the_data_is_small_and_plain_json() -> None:
    """It ships in the wheel, so it stays below 30 KB."""
    path = Path(__file__).parents[2] / "src/plexctl/gpus/known.json"
    assert path.stat().st_size < 30_000
    assert len(json.loads(path.read_bytes())["gpus"]) == len({gpu.name for gpu in known()})
