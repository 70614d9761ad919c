"""Vast's two bodies, its plan and its findings, by exact equality."""

from __future__ import annotations

from typing import Any, cast

import pytest
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
from plexctl.spec import Gateway, Image, Limits, Spec, Vast
from plexctl_providers.vast.bodies import create_body, search_body
from plexctl_providers.vast.limits import check_limits
from plexctl_providers.vast.requests import build_plan, check

OFFER = offer("vast")
PORT = {"-p 8998:8998": "1"}
TLS = {"PLEXCTL_TLS": "self-signed"}
ENDS = {"PLEXCTL_SELF_DESTRUCT": "vast"}
BODY: dict[str, Any] = {"image": "me/voice", "label": "plexctl-voice", "disk": 60, "env": {"A": "b"}}


def test_the_smallest_spec_searches_for_this() -> None:
    """A verified host with memory, driver, network and disk enough, on demand, the cheapest first."""
    assert search_body(DEFAULT, OFFER) == {
        "type": "on-demand",
        "verified": {"eq": True},
        "rentable": {"eq": True},
        "rented": {"eq": False},
        "external": {"eq": False},
        "num_gpus": {"eq": 1},
        "cpu_arch": {"eq": "amd64"},
        "reliability": {"gte": 0.98},
        "inet_down": {"gte": 300.0},
        "direct_port_count": {"gte": 1},
        "disk_space": {"gte": 60},
        "gpu_ram": {"gte": 23500},
        "compute_cap": {"gte": 800, "lt": 1000},
        "gpu_name": {"eq": "RTX 4090"},
        "cuda_max_good": {"gte": 12.1},
        "allocated_storage": 60,
        "order": [["dph_total", "asc"]],
        "limit": 64,
    }


def test_everything_asked_for_stands_in_the_search() -> None:
    """Countries, lifetime, a bid, unverified hosts; Blackwell asks for a newer driver and has no upper bound."""
    assert search_body(FULL, offer("vast", "RTX 5090")) == {
        "type": "bid",
        "verified": {"in": [True, False]},
        "rentable": {"eq": True},
        "rented": {"eq": False},
        "external": {"eq": False},
        "num_gpus": {"eq": 1},
        "cpu_arch": {"eq": "amd64"},
        "reliability": {"gte": 0.995},
        "inet_down": {"gte": 500},
        "direct_port_count": {"gte": 1},
        "disk_space": {"gte": 80},
        "gpu_ram": {"gte": 23500},
        "compute_cap": {"gte": 800},
        "gpu_name": {"eq": "RTX 5090"},
        "cuda_max_good": {"gte": 12.8},
        "geolocation": {"in": ["DE", "FR"]},
        "duration": {"gte": 28800},
        "min_bid": {"lte": 0.25},
        "allocated_storage": 80,
        "order": [["dph_total", "asc"]],
        "limit": 64,
    }


def test_echo_asks_nothing_of_the_gpu_but_its_name() -> None:
    """Without weights and torch neither memory nor driver matters."""
    body = search_body(ECHO, OFFER)
    assert not {"gpu_ram", "compute_cap", "cuda_max_good"} & set(body)
    assert body["gpu_name"] == {"eq": "RTX 4090"}


def test_any_gpu_is_searched_by_what_it_must_have() -> None:
    """Where no GPU is named, memory and compute capability choose it."""
    body = search_body(Spec(engine="personaplex"), offer("vast", None))
    assert "gpu_name" not in body
    assert (body["gpu_ram"], body["compute_cap"]) == ({"gte": 23500}, {"gte": 800, "lt": 1000})


def test_a_named_gpu_below_24_gb_is_found_at_all() -> None:
    """Who forces a card of 20 GB gets the floor that an engine needs, 19.2 GiB, not that of the larger cards."""
    assert search_body(DEFAULT, offer("vast", "RTX A4500"))["gpu_ram"] == {"gte": 19661}


def test_the_vendors_name_of_the_gpu_is_searched_for() -> None:
    """Vast calls an A100 80GB PCIe by a name of its own."""
    assert search_body(DEFAULT, offer("vast", "A100 80GB PCIe"))["gpu_name"] == {"eq": "A100 PCIE"}


def test_an_offers_own_country_is_the_one() -> None:
    """What was offered in one country is looked for there."""
    assert search_body(FULL, offer("vast", region="FR"))["geolocation"] == {"in": ["FR"]}


def test_the_smallest_spec_rents_this() -> None:
    """The image's own entrypoint, one mapped port, cancelled when it cannot start; no onstart script."""
    assert create_body(DEFAULT, OFFER) == {
        "image": "${PLEXCTL_IMAGE}",
        "label": "plexctl-personaplex-${PLEXCTL_ID}",
        "disk": 60,
        "runtype": "args",
        "target_state": "running",
        "cancel_unavail": True,
        "env": PORT | SETTINGS_BY_DEFAULT | TLS | {"HF_TOKEN": "${HF_TOKEN}", "PLEXCTL_TOKEN": "${PLEXCTL_TOKEN}"},
    }


def test_everything_asked_for_stands_in_the_instance() -> None:
    """A bid has its price; the expiry is filled in when it is rented."""
    secrets = {"HF_TOKEN": "${HF_TOKEN}", "PLEXCTL_TOKEN": "${PLEXCTL_TOKEN}", "WEBHOOK": "${WEBHOOK}"}
    assert create_body(FULL, OFFER) == {
        "image": DIGEST,
        "label": "plexctl-voice-${PLEXCTL_ID}",
        "disk": 80,
        "runtype": "args",
        "target_state": "running",
        "cancel_unavail": True,
        "env": PORT | SETTINGS_IN_FULL | TLS | ENDS | secrets,
        "price": 0.25,
        "template_hash_id": "4e17788f74f075dd9aab7d0d4427968f",
    }


def test_echo_carries_no_hub_token() -> None:
    """A trial without weights needs nothing of the Hub's on a stranger's machine."""
    wanted = PORT | SETTINGS_OF_ECHO | TLS | {"PLEXCTL_TOKEN": "${PLEXCTL_TOKEN}"}
    assert create_body(ECHO, OFFER)["env"] == wanted


def test_the_plan_carries_search_and_rent() -> None:
    """One resource under its label, with both requests in its body, and the steps in order."""
    plan = build_plan(FULL, OFFER)
    body = {
        "method": "PUT",
        "path": "/api/v0/asks/${VAST_ASK_ID}/",
        "json": create_body(FULL, OFFER),
        "search": {"method": "POST", "path": "/api/v0/bundles/", "json": search_body(FULL, OFFER)},
        "ttl_s": 28800,
    }
    assert plan.resources == (PlannedResource("instance", "plexctl-voice-${PLEXCTL_ID}", body),)
    assert plan.secrets == ("HF_TOKEN", "PLEXCTL_TOKEN", "WEBHOOK")
    assert plan.steps == (
        Step(
            "look up",
            "plexctl-voice-${PLEXCTL_ID}",
            "GET /api/v1/instances/: an instance of that label is adopted, never made twice",
        ),
        Step(
            "search",
            "1 x RTX 4090",
            "POST /api/v0/bundles/: interruptible, the cheapest host that passes the filters",
        ),
        Step("create", "instance", "PUT /api/v0/asks/${VAST_ASK_ID}/"),
        Step(
            "wait",
            "instance",
            "GET /api/v0/instances/${VAST_INSTANCE_ID}/ until actual_status is running and port 8998 is mapped",
        ),
        Step(
            "read",
            "certificate",
            "PUT /api/v0/instances/request_logs/${VAST_INSTANCE_ID}/: the fingerprint that the gateway printed",
        ),
        Step("wait", "gateway", "/health at the host's address and mapped port until an engine is ready"),
        Step("probe", "voice", "a conversation through the same address"),
    )


def test_a_known_ask_is_rented_without_a_placeholder() -> None:
    """An offer that a search found says which one it is."""
    plan = build_plan(DEFAULT, offer("vast", ask_id="7654321"))
    assert plan.resources[0].body["path"] == "/api/v0/asks/7654321/"
    search = cast("dict[str, Any]", plan.resources[0].body["search"])["json"]
    assert search["id"] == {"eq": 7654321}
    assert "gpu_name" not in search


def test_a_gpu_that_no_image_serves_is_refused() -> None:
    """A T4 computes no bf16: nothing is planned for it."""
    with pytest.raises(PreflightError, match="no bf16"):
        build_plan(DEFAULT, offer("vast", "T4"))


def test_what_is_said_of_the_smallest_spec() -> None:
    """No image, its own certificate, secrets on a stranger's machine, a disk that bills on, no end: five warnings."""
    assert levels(check(DEFAULT, OFFER)) == dict.fromkeys(
        ("image", "exposure", "secrets", "billing", "lifetime"), Level.WARN
    )


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (Spec(limits=Limits(ttl_s=60)), "after 60 s the gateway destroys its own instance"),
        (Spec(gateway=Gateway(idle_timeout_s=90)), "after 90 s without a conversation the gateway destroys"),
    ],
)
def test_what_has_an_end_ends_itself(spec: Spec, words: str) -> None:
    """With a lifetime or an idle limit the instance's own key is used, with no plexctl running anywhere."""
    (found,) = [one for one in check(spec, OFFER) if one.check == "lifetime"]
    assert found.level is Level.OK
    assert words in found.message
    env = create_body(spec, OFFER)["env"]
    assert isinstance(env, dict)
    assert env["PLEXCTL_SELF_DESTRUCT"] == "vast"


def test_what_is_said_of_a_bid() -> None:
    """Interruptible means in the middle of a call."""
    (found,) = [one for one in check(FULL, OFFER) if one.check == "bid"]
    assert found.message.startswith("interruptible at 0.25 USD per hour")


@pytest.mark.parametrize(
    ("spec", "words", "fix"),
    [
        (
            Spec(gateway=Gateway(text_prompt="x" * 237)),
            "PLEXCTL_TEXT_PROMPT has 257 characters with its name; Vast takes 256",
            "shorten it; a long prompt can come with each call instead",
        ),
        (
            Spec(image=Image(name="a" * 1025)),
            "image has 1025 characters; Vast takes 1024",
            "take a shorter image",
        ),
        (
            Spec(vast=Vast(disk_gb=17)),
            "a disk of 17 GB cannot hold the weights, which take 18 GB, and cannot grow",
            "set vast.disk_gb to 60",
        ),
        (
            Spec(vast=Vast(bid_usd_per_hour=129)),
            "a bid of 129 USD per hour; Vast takes 0.001 to 128",
            "change vast.bid_usd_per_hour",
        ),
        (
            Spec(env={f"V{number:03}": "x" * 250 for number in range(130)}),
            "env has 33384 characters; Vast takes 32768",
            "set fewer variables",
        ),
    ],
)
def test_what_vast_would_refuse_fails_here_with_its_fix(spec: Spec, words: str, fix: str) -> None:
    """Before anything is sent, the finding names what is too long or too small, and the setting to change."""
    assert failures(check(spec, OFFER)) == [(words, fix)]


def test_what_is_just_within_the_limits_passes() -> None:
    """The limits are Vast's, not one less."""
    spec = Spec(
        gateway=Gateway(text_prompt="x" * 236),
        image=Image(name="a" * 1024),
        limits=Limits(ttl_s=60),
        vast=Vast(disk_gb=18, bid_usd_per_hour=128),
    )
    assert failures(check(spec, OFFER)) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"args": ["a" * 2000, "b" * 2000], "onstart": "c" * 96},
            "arguments and onstart have 4097 characters together",
        ),
        ({"args_str": "a" * 4097}, "arguments and onstart have 4097 characters"),
        ({"label": "a" * 257}, "label has 257 characters"),
        ({"disk": 7}, "a disk of 7 GB; Vast gives 8 at least"),
        ({"price": 0.0009}, "a bid of 0.0009 USD per hour"),
        ({"env": {f"-p {port}:{port}": "1" for port in range(65)}}, "65 ports; Vast maps 64"),
    ],
)
def test_a_body_is_held_against_every_limit(changes: dict[str, Any], words: str) -> None:
    """The limits hold for whatever is about to be sent, filled in or not."""
    ((message, _),) = failures(check_limits(BODY | changes))
    assert message.startswith(words)


@pytest.mark.parametrize(
    "changes",
    [
        {"args": ["a" * 2000, "b" * 2000], "onstart": "c" * 95},
        {"label": "a" * 256},
        {"disk": 8},
        {"price": 0.001},
        {"env": {f"-p {port}:{port}": "1" for port in range(64)}},
    ],
)
def test_a_body_at_a_limit_passes(changes: dict[str, Any]) -> None:
    """The last value that Vast takes is not refused."""
    assert check_limits(BODY | changes) == []


def test_a_limit_never_shows_the_value() -> None:
    """What is too long may be a secret that was filled in."""
    ((message, fix),) = failures(check_limits(BODY | {"env": {"HF_TOKEN": "canary" * 60}}))
    assert "HF_TOKEN" in message
    assert "canary" not in message + fix
