"""The local provider's pure builders, by exact equality."""

from __future__ import annotations

import msgspec
import pytest

from plexctl.errors import ConfigurationError
from plexctl.model import Finding, Level, Offer, Plan, PlannedResource, Step
from plexctl.secret import Secret
from plexctl.spec import Gateway, Limits, Local, Model, Spec
from plexctl_providers._common.settings import choose_engine
from plexctl_providers.local import requests

NO_GPU = Offer("local", None, 0, None, 0.0, "this machine", None)
GPU = Offer("local", "NVIDIA L40S", 1, None, 0.0, "this machine", None)
DEFAULT = Spec(provider="local")
FULL = Spec(
    name="voice",
    provider="local",
    engine="personaplex",
    model=Model(repo="me/mine", revision="main", cpu_offload=True),
    gateway=Gateway(
        port=9000, engines=2, voice="NATF2.pt", text_prompt="Be brief.", idle_timeout_s=90.5, max_session_s=3600
    ),
    limits=Limits(start_timeout_s=600, ttl_s=28800),
    local=Local(engine_python="/opt/p/bin/python"),
    env={"LOG_LEVEL": "debug"},
    secrets=("HF_TOKEN", "PLEXCTL_TOKEN"),
)

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "canary",
    "AWS_SECRET_ACCESS_KEY": "canary",
    "AWS_SESSION_TOKEN": "canary",
    "RUNPOD_API_KEY": "canary",
    "MODAL_TOKEN_ID": "canary",
    "MODAL_TOKEN_SECRET": "canary",
    "VAST_API_KEY": "canary",
    "LAMBDA_API_KEY": "canary",
    "OVH_APPLICATION_SECRET": "canary",
    "GOOGLE_APPLICATION_CREDENTIALS": "canary",
    "CLOUDSDK_AUTH_ACCESS_TOKEN": "canary",
    "AZURE_CLIENT_SECRET": "canary",
    "OPENAI_API_KEY": "canary",
    "GITHUB_TOKEN": "canary",
    "SSH_AUTH_SOCK": "canary",
    "HF_TOKEN": "canary",
    "HUGGING_FACE_HUB_TOKEN": "canary",
    "PLEXCTL_TOKEN": "canary",
    "PLEXCTL_HOME": "canary",
    "PYTHONPATH": "canary",
    "LD_PRELOAD": "canary",
}


def test_the_smallest_spec_gives_these_settings() -> None:
    """What is not asked for is not set: the gateway's own defaults hold."""
    assert requests.build_environment(DEFAULT, NO_GPU) == {
        "PLEXCTL_HOST": "127.0.0.1",
        "PLEXCTL_ENGINE": "echo",
        "PLEXCTL_ENGINES": "auto",
        "PLEXCTL_DEPLOYMENT": "personaplex",
        "PLEXCTL_START_TIMEOUT_S": "1800",
        "PLEXCTL_MODEL_REPO": "nvidia/personaplex-7b-v1",
    }


def test_every_field_of_the_spec_reaches_the_gateway() -> None:
    """The full spec, name by name, in the gateway's spelling; secrets are not among them."""
    assert requests.build_environment(FULL, GPU) == {
        "PLEXCTL_HOST": "127.0.0.1",
        "PLEXCTL_ENGINE": "personaplex",
        "PLEXCTL_ENGINES": "2",
        "PLEXCTL_ENGINE_PYTHON": "/opt/p/bin/python",
        "PLEXCTL_DEPLOYMENT": "voice",
        "PLEXCTL_IDLE_TIMEOUT_S": "90.5",
        "PLEXCTL_MAX_SESSION_S": "3600",
        "PLEXCTL_START_TIMEOUT_S": "600",
        "PLEXCTL_VOICE": "NATF2.pt",
        "PLEXCTL_TEXT_PROMPT": "Be brief.",
        "PLEXCTL_MODEL_REPO": "me/mine",
        "PLEXCTL_MODEL_REVISION": "main",
        "PLEXCTL_CPU_OFFLOAD": "1",
        "PLEXCTL_SECRETS": "HF_TOKEN,PLEXCTL_TOKEN",
        "LOG_LEVEL": "debug",
    }


def test_a_plan_is_these_steps_and_this_process() -> None:
    """The plan as a whole: what a dry run shows is what is started."""
    environment = requests.build_environment(FULL, GPU)
    body = {"argv": ["python", "-m", "plexctl.gateway"], "environment": environment, "port": 9000, "ttl_s": 28800}
    assert requests.build_plan(FULL, GPU) == Plan(
        provider="local",
        deployment="voice",
        offer=GPU,
        steps=(
            Step("listen", "port", "127.0.0.1:9000"),
            Step("start", "gateway", "a detached process in its own session"),
            Step("start", "engine", "personaplex"),
        ),
        resources=(PlannedResource("process", "plexctl-voice-${PLEXCTL_ID}", body),),
        secrets=("HF_TOKEN", "PLEXCTL_TOKEN"),
    )


def test_without_a_port_the_plan_says_which_will_be_taken() -> None:
    """The port is only known when it is started; the step says from where it is looked for."""
    assert requests.build_plan(DEFAULT, NO_GPU).steps[0] == Step(
        "listen", "port", "the first free port of 127.0.0.1 from 8998"
    )


@pytest.mark.parametrize("spec", [DEFAULT, FULL], ids=["default", "full"])
def test_the_same_input_gives_the_same_bytes(spec: Spec) -> None:
    """A plan serialises to the same bytes each time."""
    assert msgspec.json.encode(requests.build_plan(spec, GPU)) == msgspec.json.encode(requests.build_plan(spec, GPU))


@pytest.mark.parametrize(
    ("engine", "offer", "expected"),
    [
        (None, NO_GPU, "echo"),
        (None, GPU, "personaplex"),
        ("echo", GPU, "echo"),
        ("personaplex", NO_GPU, "personaplex"),
    ],
)
def test_the_engine_is_the_one_asked_for_or_the_one_that_can_run(
    engine: str | None, offer: Offer, expected: str
) -> None:
    """A GPU decides only where nobody asked."""
    assert choose_engine(msgspec.convert({"engine": engine}, Spec), offer) == expected


def test_clouds_credentials_never_reach_the_server() -> None:
    """Only what the server needs passes from the user's environment: everything else stays behind."""
    allowed = {
        "PATH": "/bin",
        "HOME": "/home/me",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "LD_LIBRARY_PATH": "/cuda",
        "CUDA_VISIBLE_DEVICES": "0",
        "NVIDIA_VISIBLE_DEVICES": "all",
        "HF_HOME": "/models",
        "HF_ENDPOINT": "https://mirror",
        "HF_HUB_OFFLINE": "1",
        "HTTPS_PROXY": "http://proxy:3128",
        "SSL_CERT_FILE": "/ca.pem",
        "PLEXCTL_TEST_X": "1",
    }
    assert requests.child_environment({}, allowed | CREDENTIALS, {}, "/src") == {
        **allowed,
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": "/src",
    }


def test_secrets_and_settings_win_over_what_is_inherited() -> None:
    """The secret that was supplied is the one that the server gets."""
    environment = requests.child_environment(
        {"HF_HOME": "/mine", "LOG_LEVEL": "debug"},
        {"HF_HOME": "/theirs", "HF_TOKEN": "theirs"},
        {"HF_TOKEN": Secret("mine")},
        "/src",
    )
    assert environment == {
        "HF_HOME": "/mine",
        "LOG_LEVEL": "debug",
        "HF_TOKEN": "mine",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": "/src",
    }


def test_a_value_that_no_environment_can_carry_is_named_without_being_shown() -> None:
    """A NUL byte would be a bug's traceback from the operating system; it is an error in words."""
    with pytest.raises(ConfigurationError, match="HF_TOKEN") as caught:
        requests.child_environment({}, {}, {"HF_TOKEN": Secret("hf_canary\0")}, "/src")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "offer", "expected"),
    [
        (
            Spec(engine="echo"),
            NO_GPU,
            Finding("engine", Level.OK, "echo: repeats the caller; it is not PersonaPlex"),
        ),
        (
            Spec(),
            NO_GPU,
            Finding(
                "engine",
                Level.WARN,
                "no NVIDIA GPU on this machine: it runs `echo`, which repeats the caller and is not PersonaPlex",
                "name --engine echo to say so, or deploy where there is a GPU",
            ),
        ),
        (
            Spec(),
            GPU,
            Finding(
                "engine",
                Level.FAIL,
                "personaplex needs the Python of an environment with NVIDIA's server, and none is named",
                "set local.engine_python (PLEXCTL_ENGINE_PYTHON), or try --engine echo",
            ),
        ),
        (FULL, GPU, Finding("engine", Level.OK, "personaplex, run by /opt/p/bin/python")),
    ],
    ids=["echo asked for", "echo for want of a GPU", "no python named", "personaplex"],
)
def test_preflight_says_which_engine_will_run(spec: Spec, offer: Offer, expected: Finding) -> None:
    """Echo is never passed off as PersonaPlex."""
    assert requests.check(spec, offer) == [expected]
