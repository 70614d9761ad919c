"""What is sent to a container engine, word for word, and what is told of a container that was found."""

from __future__ import annotations

from typing import Any

import pytest

from plexctl.errors import ConfigurationError
from plexctl.model import Level, Offer, Plan
from plexctl.secret import Secret
from plexctl.spec import Gateway, Image, Limits, Local, Spec
from plexctl_providers.local import container_requests as requests
from plexctl_providers.local.requests import build_plan, check

HERE = Offer("local", None, 0, None, 0.0, "this machine", None)
L40S = Offer("local", "NVIDIA L40S", 1, None, 0.0, "this machine", None)
IMAGE = "sha256:" + "a" * 64
ECHO = Spec(name="voice", provider="local", engine="echo", image=Image(name=IMAGE), local=Local(runtime="docker"))
LABELS = {"managed-by": "plexctl", "plexctl-name": "voice", "plexctl-id": "${PLEXCTL_ID}"}
VALUES = {"PLEXCTL_ID": "abc234", "PLEXCTL_HOST_PORT": "9001"}


def spec_with(**fields: Any) -> Spec:
    """Return the echo spec with other fields."""
    kept = {name: getattr(ECHO, name) for name in ("name", "provider", "engine", "image", "local")}
    return Spec(**{**kept, **fields})


def bodies(plan: Plan) -> dict[str, Any]:
    """Return the plan's bodies by kind."""
    return {one.kind: dict(one.body) for one in plan.resources}


def test_echo_is_a_network_and_a_container() -> None:
    """Every field of both, as the Docker Engine API takes them; no volume, no GPU."""
    assert bodies(build_plan(ECHO, HERE)) == {
        "network": {
            "method": "POST",
            "path": "/networks/create",
            "Name": "plexctl-voice-${PLEXCTL_ID}",
            "Driver": "bridge",
            "Labels": LABELS,
        },
        "container": {
            "method": "POST",
            "path": "/containers/create?name=plexctl-voice-${PLEXCTL_ID}",
            "ttl_s": None,
            "Image": IMAGE,
            "Env": [
                "PLEXCTL_DEPLOYMENT=voice",
                "PLEXCTL_ENGINE=echo",
                "PLEXCTL_ENGINES=auto",
                "PLEXCTL_MODEL_REPO=nvidia/personaplex-7b-v1",
                "PLEXCTL_PUBLISHED_ON=127.0.0.1",
                "PLEXCTL_START_TIMEOUT_S=1800",
            ],
            "ExposedPorts": {"8998/tcp": {}},
            "Labels": LABELS,
            "StopTimeout": 25,
            "HostConfig": {
                "PortBindings": {"8998/tcp": [{"HostIp": "127.0.0.1", "HostPort": "${PLEXCTL_HOST_PORT}"}]},
                "NetworkMode": "plexctl-voice-${PLEXCTL_ID}",
                "RestartPolicy": {"Name": "no"},
                "ReadonlyRootfs": True,
                "Tmpfs": {"/tmp": "rw,exec,nosuid,nodev,mode=1777"},  # noqa: S108 - inside the container
                "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges"],
            },
        },
    }


def test_personaplex_gets_the_gpu_and_the_volume() -> None:
    """With weights there is a volume for them, which all deployments share, and every GPU is asked for."""
    plan = build_plan(spec_with(engine=None), L40S)
    assert [one.kind for one in plan.resources] == ["network", "volume", "container"]
    assert bodies(plan)["volume"]["Name"] == "plexctl-weights"
    host = bodies(plan)["container"]["HostConfig"]
    assert host["Mounts"] == [{"Type": "volume", "Source": "plexctl-weights", "Target": "/cache"}]
    assert host["DeviceRequests"] == [{"Driver": "", "Count": -1, "Capabilities": [["gpu"]]}]
    assert any(step.action == "keep" and "plexctl-weights" in step.subject for step in plan.steps)


def test_a_plan_holds_names_of_secrets_only() -> None:
    """Their values come in with the create call, and so do lifetime, id and port."""
    spec = spec_with(secrets=("PLEXCTL_TOKEN",), limits=Limits(ttl_s=60), env={"PROMPT": "${NOT_OURS} a=b"})
    planned = requests.container_of(build_plan(spec, HERE))
    assert "PLEXCTL_TOKEN=${PLEXCTL_TOKEN}" in planned.body["Env"]  # type: ignore[operator]
    body = requests.create_body(
        planned, {**VALUES, "PLEXCTL_EXPIRES_AT": "1800000000"}, {"PLEXCTL_TOKEN": Secret("canary")}
    )
    environment = dict(one.split("=", 1) for one in body["Env"])
    assert environment["PLEXCTL_TOKEN"] == "canary"
    assert environment["PLEXCTL_EXPIRES_AT"] == "1800000000"
    assert environment["PROMPT"] == "${NOT_OURS} a=b", "what the user wrote is nobody's placeholder"
    assert body["Labels"]["plexctl-id"] == "abc234"
    assert body["HostConfig"]["NetworkMode"] == "plexctl-voice-abc234"
    assert requests.port_of({"HostConfig": body["HostConfig"]}) == 9001
    assert not {"method", "path", "ttl_s"} & set(body)


def test_a_value_that_no_environment_carries_is_refused_unseen() -> None:
    """A NUL character ends a variable."""
    planned = requests.container_of(build_plan(spec_with(secrets=("KEY",)), HERE))
    with pytest.raises(ConfigurationError, match="KEY holds a NUL") as caught:
        requests.create_body(planned, VALUES, {"KEY": Secret("canary\0")})
    assert "canary" not in str(caught.value)


def found(body: dict[str, Any]) -> dict[str, Any]:
    """Return what an engine tells of a container made with this body."""
    config = {"Env": ["PATH=/bin", *body["Env"]], "Labels": body["Labels"]}
    return {"Config": config, "HostConfig": body["HostConfig"]}


@pytest.mark.parametrize(
    "other",
    [
        (ECHO, {**VALUES, "PLEXCTL_HOST_PORT": "9002"}, "canary"),
        (ECHO, VALUES, "another"),
        (spec_with(image=Image(name="sha256:" + "b" * 64)), VALUES, "canary"),
        (spec_with(env={"LOG_LEVEL": "debug"}), VALUES, "canary"),
    ],
    ids=["port", "secret", "image", "environment"],
)
def test_a_container_is_started_again_only_when_it_is_the_same(other: tuple[Spec, dict[str, str], str]) -> None:
    """Another port, secret, image or variable, and it is made anew; the same, and it is brought back."""

    def body(spec: Spec, values: dict[str, str], secret: str) -> dict[str, Any]:
        planned = requests.container_of(build_plan(spec, HERE))
        return requests.create_body(planned, values, {"PLEXCTL_TOKEN": Secret(secret)})

    first = body(ECHO, VALUES, "canary")
    assert requests.is_as_wanted(found(first), body(ECHO, VALUES, "canary"))
    assert not requests.is_as_wanted(found(first), body(*other))
    assert not requests.is_as_wanted({}, first)


@pytest.mark.parametrize(("port", "asked"), [(None, None), (9100, 9100)])
def test_the_port_asked_for_is_in_the_plan(port: int | None, asked: int | None) -> None:
    """None when any will do."""
    assert requests.asked_port(build_plan(spec_with(gateway=Gateway(port=port)), HERE)) == asked


def test_what_a_reader_must_know_is_found() -> None:
    """That echo is not PersonaPlex, that a tag may change, and who can read the secrets."""
    told = check(spec_with(engine=None, image=Image(name="you/voice:x"), secrets=("KEY",)), HERE)
    assert [(one.check, one.level) for one in told] == [
        ("engine", Level.WARN),
        ("image", Level.WARN),
        ("secrets", Level.WARN),
    ]
    assert "KEY" in told[2].message
    assert [one.level for one in check(ECHO, HERE)][:1] == [Level.OK]
    assert "plexctl-weights" in str(check(spec_with(engine="personaplex"), L40S)[0].fix)
