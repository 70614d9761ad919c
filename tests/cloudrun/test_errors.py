"""Google's errors as plexctl's: every answer has a class, an exit code, one line, and what helps."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from google.auth import exceptions as auth

from plexctl.errors import PlexError
from plexctl_providers.cloudrun.answers import no_answers
from plexctl_providers.cloudrun.errors import by_condition, error_of, is_absent, is_lost, is_taken


def answer(code: int, message: str, reason: str | None = None) -> dict[str, Any]:
    """Return an error as Google's newer APIs answer it."""
    return {"error": {"code": code, "message": message, "details": [{"reason": reason}] if reason else []}}


@pytest.mark.parametrize(
    ("code", "message", "reason", "exit_code", "helps"),
    [
        (401, "Request had invalid authentication credentials.", None, 4, "gcloud auth application-default login"),
        (403, "Permission 'run.services.create' denied on resource 'x'", None, 4, "run.services.create"),
        (403, "The caller does not have permission", "IAM_PERMISSION_DENIED", 4, "owner"),
        (403, "Cloud Run Admin API has not been used in project 1", "SERVICE_DISABLED", 6, "gcloud services enable"),
        (403, "This API method requires billing to be enabled", "BILLING_DISABLED", 6, "billing"),
        (403, "Project 'x' not found or deleted.", "CONSUMER_INVALID", 3, "gcloud projects list"),
        (404, "Project x was not found", None, 3, "gcloud projects list"),
        (400, "Max instances must be set to 0 or fewer to set the requested total memory", None, 6, "max_instances"),
        (400, "Quota violated: CpuAllocPerProjectRegion requested: 24000 allowed: 20000", None, 6, "quota"),
        (429, "Quota exceeded for quota metric 'Write requests'", "RATE_LIMIT_EXCEEDED", 8, "minute"),
        (429, "Too many requests", None, 8, "minute"),
        (400, "accelerator nvidia-l4 is not supported in region us-west4", None, 6, "--region"),
        (400, "One or more users named in the policy do not belong to a permitted customer", None, 4, "private"),
        (400, "Invalid value at 'service.template'", None, 8, None),
        (404, "Resource 'x' of kind 'SERVICE' does not exist.", None, 8, None),
        (409, "Resource 'x' already exists.", None, 11, None),
        (412, "At least one of the pre-conditions you specified did not hold.", None, 11, None),
        (500, "Internal error encountered.", None, 8, "status.cloud.google.com"),
        (503, "no available capacity", None, 8, "status.cloud.google.com"),
    ],
)
def test_each_answer_has_its_class(
    code: int, message: str, reason: str | None, exit_code: int, helps: str | None
) -> None:
    """The exit code is what the fact is, and the hint names what mends it."""
    error = error_of("make it", code, answer(code, message, reason))
    assert error.exit_code == exit_code
    assert "\n" not in error.message
    assert message in error.message
    assert helps is None or helps in (error.hint or "")


@pytest.mark.parametrize("body", [None, [], "text", {}, {"error": "text"}, {"error": {"message": None}}])
@pytest.mark.parametrize("code", [400, 401, 403, 404, 409, 418, 429, 500, 599])
def test_the_map_is_total(code: int, body: object) -> None:
    """Whatever comes instead of Google's JSON, it is one of plexctl's errors and not its bug."""
    error = error_of("read it", code, body)
    assert error.exit_code in (3, 4, 6, 8, 11)
    assert f"HTTP {code}" in error.message


def test_the_older_form_of_errors_is_read_too() -> None:
    """Cloud Storage answers a list of errors."""
    old = {"error": {"code": 403, "message": "slow down", "errors": [{"reason": "RATE_LIMIT_EXCEEDED"}]}}
    assert error_of("read it", 403, old).exit_code == 8


@pytest.mark.parametrize(
    ("condition", "exit_code"),
    [
        ({"message": "Quota exceeded for total allowable count of GPUs per project per region."}, 6),
        ({"message": "The region has no available capacity for nvidia-l4."}, 7),
        ({"message": "denied", "reason": "CONTAINER_PERMISSION_DENIED"}, 4),
        ({"message": "denied", "reason": "CONTAINER_IMAGE_UNAUTHORIZED"}, 8),
        ({"message": "gone", "reason": "CONTAINER_MISSING"}, 8),
        ({"message": "no", "reason": "SECRETS_ACCESS_CHECK_FAILED"}, 8),
        ({"message": "The user-provided container failed to start"}, None),
        ({"message": "container exited: CUDA out of memory"}, None),
    ],
)
def test_each_failed_condition_has_its_class(condition: dict[str, str], exit_code: int | None) -> None:
    """What the container itself did wrong has no class of its own: the deployment has failed."""
    error = by_condition("it could not start", condition)
    assert (error.exit_code if error else None) == exit_code


@pytest.mark.parametrize(
    ("raised", "exit_code"),
    [
        (requests.ConnectionError("x"), 8),
        (requests.ReadTimeout("x"), 8),
        (requests.exceptions.ChunkedEncodingError("x"), 8),
        (requests.exceptions.RetryError("x"), 8),
        (auth.TransportError("x"), 8),  # type: ignore[no-untyped-call]
        (auth.RefreshError("token expired"), 4),  # type: ignore[no-untyped-call]
        (auth.DefaultCredentialsError("none"), 4),  # type: ignore[no-untyped-call]
        (auth.ReauthFailError("x"), 4),  # type: ignore[no-untyped-call]
    ],
)
def test_no_answer_has_a_class_too(raised: Exception, exit_code: int) -> None:
    """The network's and the sign-in's errors: 8 for what may pass, 4 for what the user must do."""
    with pytest.raises(PlexError) as caught, no_answers("read it"):
        raise raised
    assert caught.value.exit_code == exit_code
    assert caught.value.hint


def test_what_the_adapter_must_tell_apart() -> None:
    """Absent, taken and lost are facts of their own, whatever class they end in."""
    absent, taken, lost = (error_of("x", code, answer(code, "y")) for code in (404, 409, 503))
    assert [is_absent(one) for one in (absent, taken, lost)] == [True, False, False]
    assert [is_taken(one) for one in (absent, taken, lost)] == [False, True, False]
    assert [is_lost(one) for one in (absent, taken, lost)] == [False, False, True]


@pytest.mark.parametrize("body", [None, [], "text", {}, {"error": "text"}, {"error": {}}])
def test_a_bare_404_says_nothing_of_what_is_there(body: object) -> None:
    """Only Google's own error makes a thing absent; a proxy's 404 is told as such."""
    error = error_of("read it", 404, body)
    assert not is_absent(error)
    assert "proxy" in (error.hint or "")
