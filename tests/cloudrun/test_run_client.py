"""Google's own client: what the plan says is what is sent, nothing is repeated blindly, all errors are ours."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import requests
from google.api_core import exceptions as core
from google.auth.credentials import AnonymousCredentials
from google.cloud import run_v2
from google.protobuf.json_format import ParseError
from tests.cloudrun.ground import Ground
from tests.clouds.google import Fault, Google, RefusedError
from tests.serverless.discovery import document, with_named_enums
from tests.serverless.variants import VARIANTS, plan_of

from plexctl.errors import ExtraMissingError, PlexError
from plexctl_providers.cloudrun.errors import is_lost
from plexctl_providers.cloudrun.run_client import Services, _in_our_words, message_of

PARENT = "projects/my-project/locations/europe-west4"
SERVICE = {"$ref": "GoogleCloudRunV2Service"}
CREATE = "run.projects.locations.services.create"


@pytest.fixture
def services(google: Google) -> Services:
    """Give the client, at the loopback."""
    google.books.apis.add("run")
    return Services(AnonymousCredentials(), google.url, lambda: None)  # type: ignore[no-untyped-call]


def planned(variant: str) -> dict[str, Any]:
    """Return the service's body in the plan."""
    (one,) = [resource for resource in plan_of("cloudrun", variant).resources if resource.kind == "service"]
    return dict(one.body["json"])  # type: ignore[call-overload, no-any-return]


def said(value: Any) -> Any:
    """Return a body without what proto3 takes for not said: false, 0, nothing."""
    if isinstance(value, dict):
        return {key: kept for key, item in value.items() if (kept := said(item)) not in (False, 0, "", [], {}, None)}
    return [said(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_is_sent_is_what_the_plan_says(services: Services, google: Google, variant: str) -> None:
    """Up to defaults that are left out and enumerations by number; and Google's description knows all of it."""
    services.create(PARENT, "voice", planned(variant))
    (seen,) = [one for one in google.requests if one.method == CREATE]
    sent = with_named_enums(json.loads(seen.content), SERVICE, document("cloudrun-v2")["schemas"])
    assert said(sent) == said(planned(variant))


@pytest.mark.parametrize(
    ("schema", "field", "numbers"),
    [
        ("GoogleCloudRunV2Service", "ingress", run_v2.IngressTraffic),
        ("GoogleCloudRunV2ServiceScaling", "scalingMode", run_v2.ServiceScaling.ScalingMode),
        ("GoogleCloudRunV2RevisionTemplate", "executionEnvironment", run_v2.ExecutionEnvironment),
        ("GoogleCloudRunV2TrafficTarget", "type", run_v2.TrafficTargetAllocationType),
        ("GoogleCloudRunV2EmptyDirVolumeSource", "medium", run_v2.EmptyDirVolumeSource.Medium),
    ],
)
def test_numbers_of_enumerations_are_in_the_descriptions_order(schema: str, field: str, numbers: Any) -> None:
    """What the loopback takes a number for is what Google's client meant by it."""
    names = document("cloudrun-v2")["schemas"][schema]["properties"][field]["enum"]
    assert [one.name for one in sorted(numbers)] == names[: len(numbers)]
    assert [one.value for one in sorted(numbers)] == list(range(len(numbers)))


def test_a_key_that_the_client_does_not_know_is_not_left_out() -> None:
    """It is an older client than the plan needs: exit 12, with the command that brings a newer one."""
    with pytest.raises(ExtraMissingError, match="sshEnabled") as caught:
        message_of({"template": {"sshEnabled": True}})
    assert "--upgrade" in (caught.value.hint or "")


def test_a_create_is_sent_once(services: Services, google: Google) -> None:
    """A failed server's answer is told and not repeated; whoever asked looks the service up first."""
    google.fail(Fault(CREATE, refusal=RefusedError(503, "backend error"), times=1))
    with pytest.raises(PlexError) as caught:
        services.create(PARENT, "voice", planned("echo"))
    assert is_lost(caught.value)
    assert [one.method for one in google.requests] == [CREATE]


def test_a_read_is_repeated_and_then_told(services: Services, google: Google) -> None:
    """Five times in all; an error has Google's words."""
    google.fail(Fault("*.services.list", refusal=RefusedError(503, "backend error", headers={"Retry-After": "0"})))
    with pytest.raises(PlexError, match="backend error"):
        list(services.every(PARENT))
    assert len(google.requests) == 5


def test_every_service_of_a_region_is_listed(services: Services) -> None:
    """Page by page, as JSON."""
    names = [f"voice-{number}" for number in range(7)]
    for name in names:
        services.create(PARENT, name, planned("echo"))
    found = list(services.every(PARENT))
    assert sorted(one["name"].rpartition("/")[2] for one in found) == names
    assert found[0]["template"]["scaling"]["maxInstanceCount"] == 1


@pytest.mark.parametrize(
    ("raised", "exit_code"),
    [
        (core.Unauthorized("x"), 4),  # type: ignore[no-untyped-call]
        (core.PermissionDenied("x"), 4),  # type: ignore[no-untyped-call]
        (core.NotFound("x"), 8),  # type: ignore[no-untyped-call]
        (core.AlreadyExists("x"), 11),  # type: ignore[no-untyped-call]
        (core.ServiceUnavailable("x"), 8),  # type: ignore[no-untyped-call]
        (core.GoogleAPICallError("x"), 8),  # type: ignore[no-untyped-call]
        (core.RetryError("x", None), 8),  # type: ignore[no-untyped-call]
        (requests.ConnectionError("x"), 8),
        (ParseError("x"), 8),
        (TypeError("x"), 8),
    ],
)
def test_whatever_the_client_raises_has_a_class(raised: Exception, exit_code: int) -> None:
    """Also what comes without an answer of Google's."""
    with pytest.raises(PlexError) as caught, _in_our_words("read it"):
        raise raised
    assert caught.value.exit_code == exit_code


def test_a_deploy_asks_for_services_by_googles_client(ground: Ground, google: Google) -> None:
    """Every call about services carries its name."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.provider().stop(entry.ref)
        ground.provider().destroy(entry.ref)
    run = [one for one in google.requests if one.method.startswith("run.")]
    verbs = {"create", "get", "patch", "delete", "getIamPolicy", "setIamPolicy"}
    assert verbs <= {one.method.rpartition(".")[2] for one in run}
    assert all("gapic/" in one.headers.get("x-goog-api-client", "") for one in run)


def test_nothing_of_googles_is_loaded_before_it_is_asked() -> None:
    """The adapter, its plan and its checks stand without; the client alone takes 0.3 s."""
    words = (
        "import sys; from plexctl_providers.cloudrun import adapter, applying, removal, search, service_update, usage;"
        "print([one for one in sys.modules if one.partition('.')[0] in ('google', 'grpc', 'requests', 'proto')])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
