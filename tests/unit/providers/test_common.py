"""What adapters share: placeholders, the gateway's settings, names of GPUs and images, files from plans."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from plexctl.errors import PreflightError
from plexctl.model import Finding, Level, Offer, Plan, PlannedResource
from plexctl.secret import Secret
from plexctl.spec import Gateway, Image, Limits, Model, Spec
from plexctl_providers._common.checks import check_remote
from plexctl_providers._common.files import as_json, resource
from plexctl_providers._common.offers import check_image, gpu_at, gpu_of, image_of
from plexctl_providers._common.placeholders import fill, names_in, placeholder
from plexctl_providers._common.settings import (
    choose_engine,
    gateway_settings,
    label,
    labels,
    remote_settings,
    secret_names,
)

GPU = Offer("runpod", "RTX 4090", 1, None, 0.6, "a price list", "2026-11-20")
NO_GPU = Offer("local", None, 0, None, 0.0, "this machine", None)
DIGEST = "ghcr.io/me/voice@sha256:" + "0" * 64
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
NESTED = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def test_names_are_found_in_every_text_of_a_value() -> None:
    """In values, keys, lists and tuples, each once, sorted."""
    value = {"a": ["${TWO}", ("${ONE}-${TWO}",)], "${KEY}": {"b": "x${THREE}y"}, "n": 3, "none": None}
    assert names_in(value) == ["KEY", "ONE", "THREE", "TWO"]


@pytest.mark.parametrize("text", ["$NAME", "${}", "${1A}", "{NAME}", "${A-b}", "{{ RUNPOD_SECRET_A }}"])
def test_only_the_one_form_is_a_placeholder(text: str) -> None:
    """Defaults, bare dollars and other systems' references are texts like any other."""
    assert names_in(text) == []
    assert fill(text, {}) == text


def test_filling_keeps_shape_and_types() -> None:
    """Keys and texts are filled, secrets revealed; numbers, booleans and None stay what they are."""
    value = {"a": ["${ONE}", ("x${ONE}y${TWO}",)], "${KEY}": {"b": 3}, "c": None, "d": True}
    values: dict[str, str | Secret] = {"ONE": "1", "TWO": Secret("two"), "KEY": "k"}
    assert fill(value, values) == {"a": ["1", ["x1ytwo"]], "k": {"b": 3}, "c": None, "d": True}


def test_a_value_is_never_filled_again() -> None:
    """What a secret's value says is not read as a placeholder."""
    assert fill("${A}", {"A": "${B}"}) == "${B}"
    assert fill("${A}", {"A": r"\1 \g<0>"}) == r"\1 \g<0>"


def test_what_is_missing_is_named_all_at_once() -> None:
    """And the values that are there are not shown."""
    with pytest.raises(PreflightError) as caught:
        fill(["${B}", "${A}", "${C}"], {"C": Secret("canary")})
    assert caught.value.message == "no value was supplied for A, B"


@given(NAMES, st.text())
def test_any_value_goes_in_whole(name: str, text: str) -> None:
    """A placeholder and its name belong together, whatever stands around it and in it."""
    assert names_in(f"<{placeholder(name)}>") == [name]
    assert fill(f"<{placeholder(name)}>", {name: text}) == f"<{text}>"


@given(NESTED)
def test_filling_with_what_is_asked_for_always_works(value: object) -> None:
    """No nested value is too odd; without placeholders it comes back as it was."""
    names = names_in(value)
    done = fill(value, dict.fromkeys(names, "v"))
    assert names or done == value


@pytest.mark.parametrize(
    ("engine", "offer", "chosen"),
    [(None, GPU, "personaplex"), (None, NO_GPU, "echo"), ("echo", GPU, "echo"), ("personaplex", NO_GPU, "personaplex")],
)
def test_the_engine_is_the_one_asked_for_or_what_the_gpu_can(engine: str | None, offer: Offer, chosen: str) -> None:
    """An engine that was named is never replaced."""
    spec = Spec() if engine is None else Spec(engine="echo" if engine == "echo" else "personaplex")
    assert choose_engine(spec, offer) == chosen


def test_what_is_not_asked_for_is_not_set() -> None:
    """The gateway's own defaults hold where the spec says nothing."""
    assert gateway_settings(Spec(), "echo") == {
        "PLEXCTL_ENGINE": "echo",
        "PLEXCTL_ENGINES": "auto",
        "PLEXCTL_DEPLOYMENT": "personaplex",
        "PLEXCTL_START_TIMEOUT_S": "1800",
        "PLEXCTL_MODEL_REPO": "nvidia/personaplex-7b-v1",
    }


def test_everything_asked_for_is_a_text() -> None:
    """Numbers without a needless fraction, flags as 1, secrets by name, the user's variables last."""
    spec = Spec(
        name="voice",
        model=Model(repo="me/mine", revision="main", cpu_offload=True),
        gateway=Gateway(engines=2, voice="NATF2.pt", text_prompt="Be brief.", idle_timeout_s=90.5, max_session_s=3600),
        limits=Limits(start_timeout_s=600),
        env={"LOG_LEVEL": "debug", "PLEXCTL_VOICE": "NATM0.pt"},
        secrets=("A", "B"),
    )
    assert gateway_settings(spec, "personaplex") == {
        "PLEXCTL_ENGINE": "personaplex",
        "PLEXCTL_ENGINES": "2",
        "PLEXCTL_DEPLOYMENT": "voice",
        "PLEXCTL_IDLE_TIMEOUT_S": "90.5",
        "PLEXCTL_MAX_SESSION_S": "3600",
        "PLEXCTL_START_TIMEOUT_S": "600",
        "PLEXCTL_VOICE": "NATM0.pt",
        "PLEXCTL_TEXT_PROMPT": "Be brief.",
        "PLEXCTL_MODEL_REPO": "me/mine",
        "PLEXCTL_MODEL_REVISION": "main",
        "PLEXCTL_SECRETS": "A,B",
        "PLEXCTL_CPU_OFFLOAD": "1",
        "LOG_LEVEL": "debug",
    }


def test_a_lifetime_is_a_placeholder_until_the_deployment_is_made() -> None:
    """A plan knows how long, not from when."""
    assert "PLEXCTL_EXPIRES_AT" not in remote_settings(Spec(), "echo")
    with_ttl = remote_settings(Spec(limits=Limits(ttl_s=60)), "echo")
    assert with_ttl["PLEXCTL_EXPIRES_AT"] == "${PLEXCTL_EXPIRES_AT}"


@pytest.mark.parametrize(
    ("engine", "secrets", "names"),
    [
        ("echo", (), ("PLEXCTL_TOKEN",)),
        ("personaplex", (), ("HF_TOKEN", "PLEXCTL_TOKEN")),
        ("personaplex", ("WEBHOOK", "HF_TOKEN"), ("HF_TOKEN", "PLEXCTL_TOKEN", "WEBHOOK")),
    ],
)
def test_the_token_always_goes_along(engine: str, secrets: tuple[str, ...], names: tuple[str, ...]) -> None:
    """An open gateway is no choice on another machine; the Hub's token goes where weights are fetched."""
    assert secret_names(Spec(secrets=secrets), engine) == names


def test_every_resource_can_be_found_by_name_and_labels() -> None:
    """The id is drawn when the deployment is made."""
    assert label(Spec(name="voice")) == "plexctl-voice-${PLEXCTL_ID}"
    assert labels(Spec(name="voice")) == {
        "managed-by": "plexctl",
        "plexctl-name": "voice",
        "plexctl-id": "${PLEXCTL_ID}",
    }


@pytest.mark.parametrize(
    ("provider", "name", "theirs"),
    [
        ("runpod", "RTX 4090", "NVIDIA GeForce RTX 4090"),
        ("runpod", "4090", "NVIDIA GeForce RTX 4090"),
        ("vast", "A100 80GB PCIe", "A100 PCIE"),
        ("vast", "RTX 4090", "RTX 4090"),
        ("vast", "a card of tomorrow", "a card of tomorrow"),
    ],
)
def test_a_provider_is_asked_for_its_own_name_of_a_gpu(provider: str, name: str, theirs: str) -> None:
    """What nobody knows there goes as it is: it may be newer than plexctl."""
    assert gpu_at(provider, name) == theirs


def test_an_offer_without_a_gpu_has_no_name() -> None:
    """A host without one is asked for nothing."""
    assert gpu_of(NO_GPU) is None
    assert gpu_of(GPU) == "NVIDIA GeForce RTX 4090"


def test_an_image_that_nobody_named_is_a_placeholder() -> None:
    """So that a plan can be read before an image is built."""
    assert image_of(Spec()) == "${PLEXCTL_IMAGE}"
    assert image_of(Spec(image=Image(name=DIGEST))) == DIGEST


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        (
            None,
            Finding(
                "image",
                Level.WARN,
                "no image is named and none was pushed: the provider has nothing to pull",
                "`plexctl image build --push` makes one, or name it with image.name",
            ),
        ),
        (
            "me/voice:latest",
            Finding(
                "image",
                Level.WARN,
                "me/voice:latest is a tag, which may be another image tomorrow",
                "name it with its digest",
            ),
        ),
        (DIGEST, Finding("image", Level.OK, DIGEST)),
    ],
)
def test_only_a_digest_is_surely_the_same_image(name: str | None, finding: Finding) -> None:
    """No image and a tag are said, each with its fix."""
    assert check_image(Spec(image=Image(name=name))) == [finding]


def test_a_json_file_keeps_order_and_letters() -> None:
    """Keys as given, text as it is, one line feed at the end."""
    assert (
        as_json({"b": "\u00e9", "a": ["${X}", None]})
        == '{\n  "b": "\u00e9",\n  "a": [\n    "${X}",\n    null\n  ]\n}\n'
    )


@given(NESTED)
def test_a_json_file_says_what_the_value_says(value: object) -> None:
    """Read back it is the same."""
    assert json.loads(as_json(value)) == value


def test_a_plans_resource_is_found_by_kind() -> None:
    """The first of its kind; none is a bug and says so."""
    one, two = (PlannedResource("pod", name, {}) for name in ("one", "two"))
    plan = Plan("runpod", "voice", GPU, (), (PlannedResource("volume", "v", {}), one, two))
    assert resource(plan, "pod") is one
    with pytest.raises(LookupError, match="the plan for runpod has no instance"):
        resource(plan, "instance")


@pytest.mark.parametrize(
    ("wished", "checks"),
    [
        ({}, []),
        ({"gateway": {"port": 8998}}, []),
        ({"gateway": {"port": 9000}}, ["port"]),
        ({"gateway": {"text_prompt": "Say $HOME and ${ HOME }."}}, []),
        ({"gateway": {"text_prompt": "Say ${HF_TOKEN}."}}, ["text"]),
        ({"env": {"GREETING": "hello ${name}"}}, ["text"]),
    ],
)
def test_what_no_remote_deployment_can_do(wished: dict[str, object], checks: list[str]) -> None:
    """A text of the user's is never filled with a secret, and a port that the image has not is told."""
    assert [one.check for one in check_remote(msgspec.convert(wished, Spec))] == checks
