"""The rendered modal_app.py, read back from what Modal's real client sends when it deploys the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from modal_proto import api_pb2
from tests.serverless.modal_deploys import Deploy, body, deploy, fetch, serve, write
from tests.serverless.variants import IMAGE, PROMPT, VARIANTS, files_of, plan_of

from plexctl.images import CACHE, PORT

every_variant = pytest.mark.parametrize("variant", VARIANTS)


def planned(variant: str) -> dict[str, Any]:
    """Return the app's body in the plan."""
    return body(plan_of("modal", variant).resources[-1])


@every_variant
def test_modal_takes_the_file_as_it_stands(variant: str) -> None:
    """`modal deploy` ends well with every variant."""
    found = deploy(variant)
    assert found.code == 0, found.output
    assert "deprecat" not in found.output.lower()


@every_variant
def test_the_app_is_the_plans(variant: str) -> None:
    """Name and tags are those of the plan, with the id for people without plexctl."""
    found, app = deploy(variant).app, planned(variant)
    assert found.description == app["name"].replace("${PLEXCTL_ID}", "byhand")
    assert dict(found.tags) == {key: value.replace("${PLEXCTL_ID}", "byhand") for key, value in app["tags"].items()}


@every_variant
def test_gpus_are_taken_in_the_plans_order(variant: str) -> None:
    """The offer's GPU comes first, then the fallbacks; the echo engine has none."""
    gpus = [one.resources.gpu_config.gpu_type for one in deploy(variant).service]
    assert gpus == (planned(variant)["cls"].get("gpu") or [""])
    assert {"default": ["L40S"], "full": ["L40S", "A100-80GB", "H100"], "echo": [""], "given": ["L40S"]}[
        variant
    ] == gpus


@every_variant
def test_the_container_is_the_plans(variant: str) -> None:
    """Times, sizes, scaling and places are sent as the plan says, for every GPU of the list."""
    app = planned(variant)
    for one in deploy(variant).service:
        assert one.function_name == f"{app['cls']['name']}.*"
        assert one.timeout_secs == app["cls"]["timeout"]
        assert one.startup_timeout_secs == app["cls"]["startup_timeout"]
        assert one.resources.memory_mb == app["cls"]["memory"]
        assert one.resources.milli_cpu == app["cls"]["cpu"] * 1000
        assert one.autoscaler_settings.min_containers == app["cls"]["min_containers"]
        assert one.autoscaler_settings.max_containers == app["cls"]["max_containers"]
        assert one.autoscaler_settings.scaledown_window == app["cls"]["scaledown_window"]
        assert list(one.scheduler_placement.regions) == app["cls"].get("region", [])
        assert one.max_concurrent_inputs == app["concurrent"]["max_inputs"]
        assert one.target_concurrent_inputs == app["concurrent"]["target_inputs"]


@every_variant
def test_callers_come_in_at_the_gateways_port(variant: str) -> None:
    """The one web server is the gateway's port, without Modal's own caller check, and with time to start."""
    for one in deploy(variant).service:
        (web,) = [method.webhook_config for method in one.method_definitions.values()]
        assert web.type == api_pb2.WEBHOOK_TYPE_WEB_SERVER
        assert web.web_server_port == PORT
        assert web.web_server_startup_timeout == planned(variant)["web_server"]["startup_timeout"]
        assert not web.requires_proxy_auth


@every_variant
def test_a_conversation_fits_into_a_request(variant: str) -> None:
    """The gateway ends a conversation before Modal would cut it."""
    found = deploy(variant)
    assert found.service[0].timeout_secs > float(found.settings["PLEXCTL_MAX_SESSION_S"])


@pytest.mark.parametrize("variant", ["default", "full", "given"])
def test_weights_are_kept_in_the_volume(variant: str) -> None:
    """Class and fetcher mount one volume at the cache, and what they write is committed without being asked to."""
    for found in (deploy(variant), fetch(variant)):
        (volume,) = found.recorder.of(api_pb2.VolumeGetOrCreateRequest)
        assert volume.deployment_name == "plexctl-weights"
        assert volume.object_creation_type == api_pb2.OBJECT_CREATION_TYPE_CREATE_IF_MISSING
        (mount,) = found.functions[0].volume_mounts
        assert mount.mount_path == CACHE
        assert mount.allow_background_commits


@pytest.mark.parametrize("variant", ["default", "full", "given"])
def test_no_gpu_waits_for_a_download(variant: str) -> None:
    """`modal run` starts the one function that fetches the weights, in an app without the class and its GPU."""
    found = fetch(variant)
    (planned_app,) = [body(one) for one in plan_of("modal", variant).resources if one.kind == "fetch-app"]
    assert found.app.description == planned_app["name"].replace("${PLEXCTL_ID}", "byhand")
    (function,) = found.functions
    assert function.function_name == "fetch_weights"
    assert not function.resources.gpu_config.gpu_type
    assert function.timeout_secs == planned_app["function"]["timeout"] == 3600
    assert found.secret == deploy(variant).secret


def test_modal_serves_it_too() -> None:
    """`modal serve` takes the file as well, for people who try it out."""
    found = serve("default")
    (published,) = found.recorder.of(api_pb2.AppPublishRequest)
    assert published.app_state == api_pb2.APP_STATE_EPHEMERAL
    assert list(published.class_ids) == ["PersonaPlex"]


def test_echo_needs_neither_volume_nor_fetcher() -> None:
    """A trial leaves nothing behind but app and secret."""
    found = deploy("echo")
    assert [one.function_name for one in found.functions] == ["PersonaPlex.*"]
    assert "fetch" not in files_of("modal", "echo")["modal_app.py"]
    assert not found.recorder.of(api_pb2.VolumeGetOrCreateRequest)
    assert [one.kind for one in plan_of("modal", "echo").resources] == ["secret", "app"]


@every_variant
def test_secrets_are_named_and_nothing_else(variant: str) -> None:
    """The app refers to one secret by name, with the keys that the plan asks for; no value is sent with it."""
    secret = deploy(variant).secret
    assert secret.deployment_name == planned(variant)["name"].replace("${PLEXCTL_ID}", "byhand")
    assert list(secret.required_keys) == planned(variant)["required_keys"]
    assert not secret.env_dict


@every_variant
def test_settings_reach_the_container_unchanged(variant: str) -> None:
    """What users write, quotes and line ends included, arrives as it was written."""
    settings, asked = deploy(variant).settings, planned(variant)["env"]
    expires_at = settings.pop("PLEXCTL_EXPIRES_AT", None)
    assert (expires_at is None) == (asked.pop("PLEXCTL_EXPIRES_AT", None) is None)
    assert settings == asked
    if variant == "full":
        assert settings["PLEXCTL_TEXT_PROMPT"] == PROMPT
        assert expires_at
        assert float(expires_at) > 28800


def test_two_ids_are_two_deployments() -> None:
    """PLEXCTL_ID is in the names of app and secret, and its clock is the one that plexctl set."""
    found: Deploy = deploy("full", PLEXCTL_ID="abc234", PLEXCTL_EXPIRES_AT="1900000000")
    assert found.app.description == found.secret.deployment_name == "plexctl-voice-abc234"
    assert found.app.tags["plexctl-id"] == "abc234"
    assert found.settings["PLEXCTL_EXPIRES_AT"] == "1900000000"


@pytest.mark.parametrize("variant", ["default", "echo"])
def test_the_image_is_built_from_its_folder(variant: str) -> None:
    """Modal is sent the Dockerfile and every file that it copies, and starts it as root without its entry point."""
    images = deploy(variant).recorder.of(api_pb2.ImageGetOrCreateRequest)
    lines = [line for one in images for line in one.image.dockerfile_commands]
    dockerfile = files_of("modal", variant)["image/Dockerfile"].splitlines()
    assert lines[: len(dockerfile)] == dockerfile
    assert dockerfile[-1] == "ENTRYPOINT []"
    assert "USER root" in dockerfile
    uploaded = {
        file.filename for mount in deploy(variant).recorder.of(api_pb2.MountGetOrCreateRequest) for file in mount.files
    }
    ours = {name.removeprefix("image") for name in files_of("modal", variant) if name.startswith("image/")}
    assert ours - uploaded == {"/Dockerfile", "/.dockerignore"}


def test_an_image_that_is_given_is_taken() -> None:
    """With image.name the Dockerfile begins with it and copies nothing."""
    images = deploy("given").recorder.of(api_pb2.ImageGetOrCreateRequest)
    assert any(f"FROM {IMAGE}" in one.image.dockerfile_commands for one in images)
    assert set(files_of("modal", "given")) == {"modal_app.py", "image/Dockerfile"}
    assert "COPY" not in files_of("modal", "given")["image/Dockerfile"]


@every_variant
def test_it_imports_in_the_container(tmp_path: Path, variant: str) -> None:
    """Inside a container there is the file alone, without the folder image/ and without any variable of ours."""
    write({"modal_app.py": files_of("modal", variant)["modal_app.py"]}, tmp_path)
    subprocess.run([sys.executable, "-W", "error", "-c", "import modal_app"], cwd=tmp_path, check=True, env={})


@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "format", "--isolated", "--line-length", "120", "--check"),
        ("ruff", "check", "--isolated", "--line-length=120", "--select=E,F,W,I,D,UP,B,RUF,ANN", "--ignore=D203,D213"),
        ("mypy", "--strict", "--config-file=", "--cache-dir=/dev/null"),
    ],
    ids=["formatter", "linter", "types"],
)
def test_it_is_written_as_a_careful_author_would(tmp_path: Path, tool: tuple[str, ...]) -> None:
    """Formatter, linter and type checker have nothing to say about any variant."""
    write({f"{variant}.py": files_of("modal", variant)["modal_app.py"] for variant in VARIANTS}, tmp_path)
    command = [sys.executable, "-m", *tool, *(f"{variant}.py" for variant in VARIANTS)]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
