"""`catalog refresh` through the real CLI: a price source on the loopback works, fails, hangs and babbles."""

from __future__ import annotations

import json
import stat
from collections.abc import Mapping
from typing import Any

import pytest
from tests.catalog.source import Source, row
from tests.cli.process import Plexctl
from tests.cli.schemas import check

from plexctl.gpus import gpu_of_type

DAY = {"SOURCE_DATE_EPOCH": "1795219200"}  # 2026-11-21
KEY = "canary-lambda-2c71"


def refresh(one: Plexctl, source: Source, *argv: str, env: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Refresh; return the outcome of each provider by name."""
    result = one("catalog", "refresh", *argv, "--json", env={**source.env, **DAY, **(env or {})})
    if result.rc == 0:
        check(result.document)
    return {entry["provider"]: entry for entry in result.data["providers"]}


def offers(one: Plexctl, provider: str) -> list[dict[str, Any]]:
    """Return what `gpus` shows of a provider."""
    found: list[dict[str, Any]] = check(one.ok("gpus", "-p", provider, "--json", env=DAY).document)["offers"]
    return found


def test_refresh_changes_prices(plexctl: Plexctl, source: Source) -> None:
    """What the source says is what `gpus` and `plan` show from then on, with its source and its age."""
    source.rows("modal", row("modal", "L40S", 1.23, stock="high"))
    outcome = refresh(plexctl, source, "-p", "modal")["modal"]
    assert (outcome["outcome"], outcome["rows"], outcome["changed"]) == ("renewed", 1, 1)
    (offer,) = offers(plexctl, "modal")
    assert (offer["price_usd_per_hour"], offer["stock"], offer["source"]) == (1.23, "high", "the test's own")
    assert (offer["age_days"], offer["is_stale"]) == (0, False)
    assert check(plexctl.ok("plan", "-p", "modal", "--json", env=DAY).document)["price"]["usd_per_hour"] == 1.23
    assert refresh(plexctl, source, "-p", "modal")["modal"]["changed"] == 0


def test_what_is_written_is_private_and_whole(plexctl: Plexctl, source: Source) -> None:
    """The file is readable by its owner alone, and no half-written one is left beside it."""
    source.rows("modal", row("modal", "L40S", 1.23))
    refresh(plexctl, source, "-p", "modal")
    assert [path.name for path in plexctl.home.iterdir()] == ["catalog.json"]
    assert stat.S_IMODE((plexctl.home / "catalog.json").stat().st_mode) == 0o600
    assert json.loads((plexctl.home / "catalog.json").read_bytes())["version"] == 1


BAD = {
    "500": (500, b"{}"),
    "gone": (404, b"{}"),
    "refused": (401, b"{}"),
    "garbage": (200, b"\xff\x00<html>"),
    "wrong types": (200, b'{"rows": [{"provider": "modal", "gpu": "L40S", "price": "cheap"}]}'),
    "negative": (200, json.dumps({"rows": [row("modal", "L40S", -1.0)]}).encode()),
    "no source": (200, b'{"rows": [{"provider": "modal", "gpu": "L40S", "price": 1.0, "as_of": "2026-11-21"}]}'),
    "unknown GPU": (200, json.dumps({"rows": [row("modal", "Voodoo 2", 1.0)]}).encode()),
    "nothing": (200, b'{"rows": []}'),
    "deep": (200, b"[" * 100_000),
    "long": (200, b'{"rows": [' + b" " * 1_100_000 + b"]}"),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_provider_that_fails_keeps_its_old_rows_marked(plexctl: Plexctl, source: Source, kind: str) -> None:
    """Beside one that answers, a provider that does not keeps what it had; `gpus` says so with day and reason."""
    before = offers(plexctl, "modal")
    source.answers["/modal"] = BAD[kind]
    source.rows("vast", row("vast", "RTX 4090", 0.5))
    outcomes = refresh(plexctl, source, "-p", "modal,vast")
    assert {name: outcome["outcome"] for name, outcome in outcomes.items()} == {"modal": "failed", "vast": "renewed"}
    assert outcomes["modal"]["message"]
    assert offers(plexctl, "modal") == before
    data = check(plexctl.ok("gpus", "--json", env=DAY).document)
    assert data["failures"] == {"modal": {"message": outcomes["modal"]["message"], "at": "2026-11-21"}}
    shown = plexctl.ok("gpus", "-p", "modal", env=DAY).stdout
    assert "! modal: the refresh of 2026-11-21 failed, so these are older" in shown
    planned = check(plexctl.ok("plan", "-p", "modal", "--json", env=DAY).document)
    assert "catalog" in {finding["check"] for finding in planned["findings"]}


def test_gpus_get_their_own_names(plexctl: Plexctl, source: Source) -> None:
    """A provider's spelling becomes plexctl's, other providers' rows and GPUs that nobody knows are left out."""
    rows = [row("runpod", "NVIDIA GeForce RTX 4090", 0.5), row("runpod", "Voodoo 2", 0.1), row("vast", "L4", 0.2)]
    source.rows("runpod", *rows)
    assert refresh(plexctl, source, "-p", "runpod")["runpod"]["rows"] == 1
    assert [offer["gpu"] for offer in offers(plexctl, "runpod")] == ["RTX 4090"]


def test_a_renewal_takes_the_mark_away(plexctl: Plexctl, source: Source) -> None:
    """A provider that failed and then answers is no longer marked; rows of an earlier refresh survive the failure."""
    source.rows("modal", row("modal", "L40S", 1.0))
    refresh(plexctl, source, "-p", "modal")
    source.answers["/modal"] = BAD["500"]
    refresh(plexctl, source, "-p", "modal")
    assert [offer["price_usd_per_hour"] for offer in offers(plexctl, "modal")] == [1.0]
    source.rows("modal", row("modal", "L40S", 2.0))
    refresh(plexctl, source, "-p", "modal")
    assert [offer["price_usd_per_hour"] for offer in offers(plexctl, "modal")] == [2.0]
    assert check(plexctl.ok("gpus", "--json", env=DAY).document)["failures"] == {}


def test_one_that_hangs_holds_up_nobody(plexctl: Plexctl, source: Source) -> None:
    """A provider that never answers is given up at the deadline; the others are renewed, and the exit code is 0."""
    source.hang = {"/modal", "/runpod"}
    source.rows("vast", row("vast", "RTX 4090", 0.5))
    outcomes = refresh(plexctl, source, "-p", "modal,runpod,vast", "--timeout", "1s")
    assert [outcome["outcome"] for outcome in outcomes.values()] == ["failed", "failed", "renewed"]
    assert not source.released.is_set()


def test_all_are_asked_side_by_side(plexctl: Plexctl, source: Source) -> None:
    """Every cloud is asked, each once, none after another: all requests are in before the first is answered."""
    clouds = {"/modal", "/cloudrun", "/runpod", "/vast", "/lambda", "/ovh"}
    source.hang = set(clouds)
    refresh(plexctl, source, "--timeout", "2s")
    assert sorted(path for path, _ in source.asked) == sorted(clouds)


def test_nothing_renewed_is_a_failure(plexctl: Plexctl, source: Source) -> None:
    """When every source fails the exit code is the providers' own, and the document says what became of each."""
    source.answers["/modal"] = BAD["500"]
    result = plexctl("catalog", "refresh", "-p", "modal", "--json", env={**source.env, **DAY})
    assert (result.rc, result.document["error"]["code"]) == (8, "provider")
    assert result.data["providers"][0]["outcome"] == "failed"


def test_a_damaged_catalog_is_said_and_mended(plexctl: Plexctl, source: Source) -> None:
    """A damaged file stops `gpus` with its fix, and the fix works."""
    plexctl.home.mkdir()
    (plexctl.home / "catalog.json").write_bytes(b"rubbish")
    broken = plexctl("gpus", "--json")
    assert (broken.rc, broken.document["error"]["code"]) == (3, "configuration")
    assert "catalog refresh" in broken.document["error"]["hint"]
    source.rows("modal", row("modal", "L40S", 1.0))
    refresh(plexctl, source, "-p", "modal")
    assert len(offers(plexctl, "modal")) == 1


def test_an_old_refresh_does_not_hide_a_newer_snapshot(plexctl: Plexctl, source: Source) -> None:
    """Rows that are older than those shipped are not used."""
    source.rows("modal", row("modal", "L40S", 9.0, as_of="2020-01-01"))
    refresh(plexctl, source, "-p", "modal")
    assert len(offers(plexctl, "modal")) > 1


def test_lambda_reads_its_api(plexctl: Plexctl, source: Source) -> None:
    """GET /instance-types, as its description says, becomes prices, regions with stock and counts; the key stays in."""

    def item(name: str, cents: int, gpus: int, *regions: str) -> dict[str, object]:
        specs = {"vcpus": 30, "memory_gib": 200, "storage_gib": 512, "gpus": gpus}
        said = {"description": name, "gpu_description": name}
        kind = {"name": name, **said, "price_cents_per_hour": cents, "specs": specs}
        places = [{"name": region, "description": region} for region in regions]
        return {"instance_type": kind, "regions_with_capacity_available": places}

    items = [
        item("gpu_1x_a10", 75, 1, "us-east-1", "us-west-1"),
        item("gpu_8x_h100_sxm5", 2392, 8),
        item("gpu_1x_of_next_year", 100, 1, "us-east-1"),
        item("cpu_4x_general", 20, 0, "us-east-1"),
    ]
    named = {str(index): entry for index, entry in enumerate(items)}
    source.answers["/api/v1/instance-types"] = (200, json.dumps({"data": named}).encode())
    env = {**DAY, "LAMBDA_CLOUD_BASE_URL": source.url, "LAMBDA_API_KEY": KEY}
    result = plexctl.ok("catalog", "refresh", "-p", "lambda", "--json", env=env)
    assert check(result.document)["providers"][0]["rows"] == 2
    assert source.asked[0][1]["authorization"] == f"Bearer {KEY}"
    by_gpu = {offer["gpu"]: offer for offer in offers(plexctl, "lambda")}
    assert set(by_gpu) == {"A10", "H100 SXM"}
    a10, h100 = by_gpu["A10"], by_gpu["H100 SXM"]
    assert (a10["price_usd_per_hour"], a10["regions"], a10["stock"]) == (0.75, ["us-east-1", "us-west-1"], "available")
    assert (h100["count"], h100["price_usd_per_conversation_hour"], h100["stock"]) == (8, 2.99, "none")
    assert all(offer["is_verified"] and not offer["is_stale"] for offer in by_gpu.values())
    sold_out = plexctl("plan", "-p", "lambda", "--gpu", "H100", "--json", env=DAY)
    assert (sold_out.rc, "none in stock" in sold_out.document["error"]["message"]) == (7, True)
    written = (plexctl.home / "catalog.json").read_text()
    assert KEY not in written + result.stdout + result.stderr


def test_without_keys_nothing_is_asked(plexctl: Plexctl, source: Source) -> None:
    """Without keys and a price source nothing is renewed, each provider says why, and nothing is written."""
    result = plexctl("catalog", "refresh", "--json", env=DAY)
    assert (result.rc, result.document["error"]["code"]) == (3, "configuration")
    assert {entry["outcome"] for entry in result.data["providers"]} == {"skipped", "no_reader"}
    assert "export LAMBDA_API_KEY" in result.document["error"]["message"]
    assert not plexctl.home.exists()
    assert source.asked == []


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"PLEXCTL_X_PRICES_URL": "http://prices.example/{provider}"}, "https"),
        ({"PLEXCTL_X_PRICES_URL": "http://127.0.0.1.example/{provider}"}, "https"),
        ({"LAMBDA_CLOUD_BASE_URL": "http://127.example", "LAMBDA_API_KEY": KEY}, "https"),
        ({"LAMBDA_CLOUD_BASE_URL": "ftp://127.0.0.1", "LAMBDA_API_KEY": KEY}, "ftp://"),
    ],
)
def test_no_key_and_no_price_travels_in_the_clear(plexctl: Plexctl, env: dict[str, str], words: str) -> None:
    """Plain http is for the loopback alone: elsewhere nothing is sent."""
    result = plexctl("catalog", "refresh", "-p", "lambda", "--json", env={**env, **DAY})
    assert (result.rc, result.data["providers"][0]["outcome"]) == (8, "failed")
    assert words in result.data["providers"][0]["message"]
    assert KEY not in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("name", "gpu"),
    [
        ("gpu_1x_a10", "A10"),
        ("gpu_8x_a100_80gb_sxm4", "A100 80GB SXM"),
        ("gpu_1x_a100_sxm4", "A100 40GB"),
        ("gpu_8x_h100_sxm5", "H100 SXM"),
        ("gpu_1x_h100_pcie", "H100 PCIe"),
        ("gpu_2x_a6000", "RTX A6000"),
        ("gpu_1x_rtx6000", "Quadro RTX 6000"),
        ("gpu_1x_gh200", "GH200"),
        ("gpu_8x_b200_sxm6", "B200"),
        ("gpu_1x_of_next_year", None),
        ("cpu_4x_general", None),
    ],
)
def test_lambdas_words_for_gpus(name: str, gpu: str | None) -> None:
    """An instance type of any count is the GPU that it has; one that nobody knows is none."""
    found = gpu_of_type(name)
    assert (found.name if found else None) == gpu
