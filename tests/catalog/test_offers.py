"""`gpus` and `plan` through the real CLI, offline and without a key: what they choose, refuse and load."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from tests.cli.process import Plexctl
from tests.cli.schemas import check

from plexctl.spec import PROVIDERS

DAY = {"SOURCE_DATE_EPOCH": "1795219200", "PATH": "/nonexistent"}  # 2026-11-21; no nvidia-smi: nobody's GPU is seen
CLOUDS = [name for name in PROVIDERS if name not in ("local", "ssh")]
SLOW = {
    *("rich", "asyncio", "huggingface_hub", "aiohttp", "websockets", "h11", "ssl", "sqlite3", "jinja2", "httpx"),
    *("torch", "pydantic", "modal", "runpod", "paramiko", "ovh", "socket"),
}


def gpus(one: Plexctl, *argv: str) -> list[dict[str, Any]]:
    """Return the offers that `gpus` lists."""
    found: list[dict[str, Any]] = check(one.ok("gpus", *argv, "--json", env=DAY).document)["offers"]
    return found


def plan(one: Plexctl, *argv: str) -> dict[str, Any]:
    """Return the document's data of a plan."""
    return check(one.ok("plan", *argv, "--json", env=DAY).document)


def test_offers_are_sorted_by_the_price_of_a_conversation(plexctl: Plexctl) -> None:
    """Cheapest conversation-hour first, unknown ones last; it is the price divided by the engines that keep up."""
    offers = gpus(plexctl)
    prices = [offer["price_usd_per_conversation_hour"] for offer in offers]
    known = [price for price in prices if price is not None]
    assert known == sorted(known)
    assert prices == known + [None] * (len(prices) - len(known))
    by_gpu = {(offer["provider"], offer["gpu"]): offer for offer in offers}
    h200 = by_gpu["modal", "H200"]
    assert (h200["engines_in_real_time"], h200["engines_that_fit"]) == (2, 7)
    assert h200["price_usd_per_conversation_hour"] == pytest.approx(h200["price_usd_per_hour"] / 2, abs=1e-4)
    eight = by_gpu["lambda", "A100 40GB"]
    assert {offer["count"] for offer in offers if offer["provider"] == "lambda"} == {1, 8}
    assert eight["as_of"]


def test_every_offer_has_source_date_and_age(plexctl: Plexctl) -> None:
    """No row without them, in the document and in the table."""
    for offer in gpus(plexctl):
        assert offer["source"]
        assert offer["as_of"]
        assert offer["age_days"] >= 0
        assert offer["is_stale"] is (offer["age_days"] > 30)
    lines = plexctl.ok("gpus", env=DAY).stdout.splitlines()
    assert lines[0].split()[-1] == "AGE"
    assert all(" d" in line for line in lines[1 : len(gpus(plexctl)) + 1])
    assert any(line.endswith(" d stale") for line in lines)


@pytest.mark.parametrize(
    ("argv", "holds"),
    [
        (("-p", "modal,ovh"), lambda offer: offer["provider"] in ("modal", "ovh")),
        (("--min-vram", "48"), lambda offer: offer["vram_gib"] >= 48),
        (("--max-price", "1"), lambda offer: offer["price_usd_per_hour"] <= 1),
        (("--region", "us-east4"), lambda offer: offer["region"] == "us-east4" in offer["regions"]),
        (("--real-time",), lambda offer: offer["real_time"] in ("yes", "likely")),
        (("--gpu", "A100"), lambda offer: offer["gpu"].startswith("A100")),
        (("--gpu", "24GB..48GB"), lambda offer: 24 <= offer["vram_gib"] <= 48),
        (("--gpu", "..20GB"), lambda offer: offer["vram_gib"] <= 20),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_filters(plexctl: Plexctl, argv: tuple[str, ...], holds: Any) -> None:
    """Each filter leaves something, and only what it says."""
    offers = gpus(plexctl, *argv)
    assert offers
    assert all(holds(offer) for offer in offers)
    assert len(offers) < len(gpus(plexctl))


def test_nothing_left_is_an_empty_list(plexctl: Plexctl) -> None:
    """Asking for what nobody has is no failure of `gpus`: it lists nothing and says so."""
    assert gpus(plexctl, "-p", "ovh", "--max-price", "0.01") == []
    assert "no offer is so" in plexctl.ok("gpus", "-p", "ovh", "--max-price", "0.01", env=DAY).stdout


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_plan_for_each_provider(plexctl: Plexctl, provider: str) -> None:
    """Offline and without keys each has an offer, a price with its age, and what bills when idle and stopped."""
    data = plan(plexctl, "-p", provider)
    assert data["provider"] == data["offer"]["provider"] == provider
    assert all((data["billing"]["idle"], data["billing"]["stopped"], data["billing"]["source"]))
    assert data["price"]["source"]
    assert data["steps"]
    assert data["resources"]
    assert list(plexctl.root.iterdir()) == [plexctl.work]
    words = plexctl.ok("plan", "-p", provider, env=DAY).stdout
    assert all(word in words for word in ("price: ", "idle: ", "stopped: ", "nothing was done"))


def test_the_plan_takes_the_cheapest_conversation_that_passes(plexctl: Plexctl) -> None:
    """Among all providers: the lowest price per conversation-hour of what surely keeps up and is known."""
    sure = [
        offer["price_usd_per_conversation_hour"]
        for offer in gpus(plexctl, "--real-time")
        if offer["memory"] == "fits" and offer["price_usd_per_conversation_hour"] is not None
    ]
    for argv in ((), ("-p", "auto"), ("-p", ",".join(CLOUDS))):
        assert plan(plexctl, *argv)["price"]["usd_per_conversation_hour"] == min(sure)
    chosen = plan(plexctl, "-p", "modal,ovh", "--gpu", "L40S")["offer"]
    assert (chosen["provider"], chosen["currency"], chosen["is_converted"]) == ("ovh", "EUR", True)
    assert plan(plexctl, "-p", "modal", "--gpu", "H200")["price"]["usd_per_conversation_hour"] == pytest.approx(2.2698)


def test_borderline_goes_last_and_is_marked(plexctl: Plexctl) -> None:
    """A GPU that only a measurement can judge is taken when nothing surer is left, with a warning."""
    dear, borderline = plan(plexctl, "-p", "ovh"), plan(plexctl, "-p", "ovh", "--gpu", "L4")
    assert (dear["offer"]["gpu"], borderline["offer"]["gpu"]) == ("L40S", "L4")
    assert any(f["check"] == "gpu-real-time" and f["level"] == "warn" for f in borderline["findings"])


REFUSALS = [
    (("-p", "modal", "--gpu", "T4"), 6, "preflight", "modal T4|does not fit"),
    (("-p", "modal", "--gpu", "T4", "--cpu-offload"), 6, "preflight", "--cpu-offload never served when measured"),
    (("-p", "modal", "--max-price", "0.5"), 7, "no_capacity", "modal L4 costs 0.80 USD per hour; the limit is 0.5"),
    (("-p", "ovh", "--gpu", "H200"), 7, "no_capacity", "ovh L4 is not H200|ovh L40S is not H200"),
    (("-p", "cloudrun", "--gpu", "RTX PRO 6000", "--max-price", "9"), 7, "no_capacity", "its price is unknown"),
    (
        ("-p", "cloudrun", "--gpu", "L4", "--region", "us-central1"),
        6,
        "preflight",
        "cloudrun L4 is not in us-central1: asia-southeast1",
    ),
    (("-p", "local", "--gpu", "L40S"), 7, "no_capacity", "local own hardware which GPU it has is not known here"),
    (("-p", "local", "--engine", "personaplex"), 6, "preflight", "needs the Python"),
]


@pytest.mark.parametrize(("argv", "code", "name", "words"), REFUSALS, ids=lambda value: str(value)[:50])
def test_a_refusal_is_explained_offer_by_offer(
    plexctl: Plexctl, argv: tuple[str, ...], code: int, name: str, words: str
) -> None:
    """What could never serve is 6, what nobody offers is 7; the message names the offers and why each was refused."""
    result = plexctl("plan", *argv, "--json", env=DAY)
    assert (result.rc, result.document["error"]["code"]) == (code, name)
    assert all(word in result.document["error"]["message"] for word in words.split("|"))
    assert "own hardware" in words or result.document["error"]["hint"]
    considered = result.document["data"].get("considered", [])
    assert considered or "Python" in words
    assert all(entry["refused"] for entry in considered)


def test_cpu_offload_by_force(plexctl: Plexctl) -> None:
    """--force plans for it all the same, with the measured reason as a warning."""
    data = plan(plexctl, "-p", "modal", "--gpu", "L4", "--cpu-offload", "--force")
    (found,) = [finding for finding in data["findings"] if finding["check"] == "cpu-offload"]
    assert (found["level"], "never served when measured" in found["message"]) == ("warn", True)


BAD = [
    (("--gpu", "L4OS"), 2, "no GPU is called 'L4OS'; did you mean 'L40S'?"),
    (("--gpu", "RTX 490"), 2, "did you mean 'RTX 4090'?"),
    (("--gpu", ""), 2, "no GPU is called"),
    (("--gpu", "48GB..24GB"), 2, "48 GB is more than 24 GB"),
    (("--gpu", "900GB.."), 2, "the nearest has 288 GB"),
    (("--gpu", ".."), 2, "neither a GPU nor a range"),
    (("--gpu", "a..b"), 2, "neither a GPU nor a range"),
    (("--max-price", "-1"), 2, "--max-price -1 is no price"),
    (("--max-price", "nan"), 2, "--max-price nan is no price"),
    (("--max-price", "cheap"), 2, "'cheap'"),
    (("-p", "modl"), 3, "unknown provider 'modl'; did you mean 'modal'?"),
    (("-p", "modal,runpood"), 3, "did you mean 'runpod'?"),
    (("-p", ""), 3, "unknown provider ''"),
    (("-p", "cloudrun", "--region", "us-est4"), 2, "did you mean 'us-east4'?"),
    (("-p", "modal", "--region", "us-east4"), 2, "no regions are known of modal"),
    (("--region", "mars"), 2, "no region 'mars' of any provider"),
]


@pytest.mark.parametrize("command", ["plan", "gpus"])
@pytest.mark.parametrize(("argv", "code", "words"), BAD, ids=lambda value: str(value)[:40])
def test_bad_input(plexctl: Plexctl, command: str, argv: tuple[str, ...], code: int, words: str) -> None:
    """A mistake is named with the nearest valid value, with exit code 2 or 3."""
    result = plexctl(command, *argv, "--json", env=DAY)
    assert result.rc == code
    assert words in f"{result.document['error']['message']} {result.document['error']['hint']}"


def test_the_providers_plan_is_in_the_settings(plexctl: Plexctl) -> None:
    """Provider and name come from plexctl.toml and the environment when no flag says otherwise."""
    (plexctl.work / "plexctl.toml").write_text("provider = 'ovh'\nname = 'voice'\n")
    assert plan(plexctl)["provider"] == "ovh"
    assert plan(plexctl, "-p", "modal")["provider"] == "modal"
    data = check(plexctl.ok("plan", "--json", env={**DAY, "PLEXCTL_PROVIDER": "modal,vast"}).document)
    assert (data["provider"], data["name"]) in [("modal", "voice"), ("vast", "voice")]


def test_explain_shows_what_would_be_started(plexctl: Plexctl) -> None:
    """`--explain` shows the command line and the body of each resource, and no secret's value."""
    env = {**DAY, "HF_TOKEN": "canary-7d12", "PLEXCTL_TOKEN": "canary-7d13", "PLEXCTL_ENGINE_PYTHON": sys.executable}
    result = plexctl.ok("plan", "-p", "local", "--engine", "personaplex", "--explain", "--json", env=env)
    (call,) = check(result.document)["calls"]
    assert call["argv"] == ["python", "-m", "plexctl.gateway"]
    assert call["body"]["environment"]["PLEXCTL_ENGINE"] == "personaplex"
    assert result.data["secrets"] == ["HF_TOKEN", "PLEXCTL_TOKEN"]
    words = plexctl.ok("plan", "-p", "local", "--explain", env=env)
    assert "start python -m plexctl.gateway" in words.stdout
    assert "canary" not in result.stdout + result.stderr + words.stdout + words.stderr


def test_explain_shows_what_would_be_sent(plexctl: Plexctl) -> None:
    """For a cloud: verb and path of each call, and the body word for word."""
    result = plexctl.ok("plan", "-p", "runpod", "--explain", "--json", env=DAY)
    (call,) = check(result.document)["calls"]
    assert (call["method"], call["path"]) == ("POST", "/v2/pods")
    assert call["body"] == result.data["resources"][0]["body"]["json"]
    words = plexctl.ok("plan", "-p", "runpod", "--explain", env=DAY).stdout
    assert "pod plexctl-personaplex-${PLEXCTL_ID}: POST /v2/pods" in words


def test_a_day_that_is_none_is_refused(plexctl: Plexctl) -> None:
    """SOURCE_DATE_EPOCH that is no moment is a setting that is wrong."""
    result = plexctl("gpus", "--json", env={"SOURCE_DATE_EPOCH": "tomorrow"})
    assert (result.rc, "SOURCE_DATE_EPOCH" in result.document["error"]["message"]) == (3, True)


@pytest.mark.parametrize("argv", [("gpus",), ("gpus", "--json"), *(("plan", "-p", name) for name in PROVIDERS)])
def test_they_load_nothing_slow_and_open_no_socket(plexctl: Plexctl, argv: tuple[str, ...]) -> None:
    """No console library, event loop, hub, HTTP, TLS or SDK is imported; no module that could reach a network is."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "plexctl", *argv],
        env=plexctl.environment(DAY),
        cwd=plexctl.work,
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    # Local's process module binds the port that `apply` hands over; a host's plan holds a rendered cloud-init.
    needed = {"local": {"socket"}, "ssh": {"jinja2"}, "lambda": {"jinja2"}, "ovh": {"jinja2"}}.get(argv[-1], set())
    assert not {name for name in loaded if name.partition(".")[0] in SLOW - needed}
