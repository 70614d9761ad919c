"""The map of python-ovh's errors is total, and what a request did is never guessed."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module

import pytest
from tests.ovh.rig import TOKEN, Rig, l4

from plexctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsError,
    NoCapacityError,
    NotFoundError,
    PlexError,
    PreflightError,
    ProviderError,
)
from plexctl.model import Need
from plexctl.secret import Secret
from plexctl_providers.ovh.credentials import read_credentials
from plexctl_providers.ovh.errors import Refusal, as_plexctls, is_absent, is_busy, is_lost, read_refusal

exceptions = import_module("ovh.exceptions")
PEOPLE = read_credentials({"OVH_APPLICATION_KEY": "ak", "OVH_APPLICATION_SECRET": "as", "OVH_CONSUMER_KEY": "ck"})
CI = read_credentials({"OVH_CLIENT_ID": "id", "OVH_CLIENT_SECRET": "secret"})
_ALL = [one for _, one in inspect.getmembers(exceptions, inspect.isclass) if issubclass(one, exceptions.APIError)]
_OF = {
    "APIError": ProviderError,
    "BadParametersError": ProviderError,
    "Forbidden": CredentialsError,
    "HTTPError": ProviderError,
    "InvalidConfiguration": ConfigurationError,
    "InvalidCredential": CredentialsError,
    "InvalidKey": CredentialsError,
    "InvalidRegion": ConfigurationError,
    "InvalidResponse": ProviderError,
    "NetworkError": ProviderError,
    "NotCredential": CredentialsError,
    "NotGrantedCall": CredentialsError,
    "OAuth2FailureError": CredentialsError,
    "ReadOnlyError": ProviderError,
    "ResourceConflictError": ProviderError,
    "ResourceExpiredError": CredentialsError,
    "ResourceNotFoundError": ProviderError,
}


@pytest.mark.parametrize("kind", _ALL, ids=lambda one: one.__name__)
def test_every_class_of_python_ovhs_has_its_own(kind: type[Exception]) -> None:
    """Each of its classes, raised without an answer, is one of ours, in one line; a new class would fail here."""
    found = as_plexctls(read_refusal(kind("some\nwords"), ()), "do it", PEOPLE)
    assert type(found) is _OF[kind.__name__]
    assert "\n" not in found.message


@pytest.mark.parametrize(
    ("status", "code", "words", "error"),
    [
        (400, "", "flavor l4-90 is not available", NoCapacityError),
        (400, "", "No valid host was found", NoCapacityError),
        (400, "", "Instance quota exceeded", PreflightError),
        (400, "", "name is too long", ProviderError),
        (400, "QUERY_TIME_OUT", "Query out of time", CredentialsError),
        (400, "INVALID_SIGNATURE", "Invalid signature", CredentialsError),
        (401, "", "token expired", CredentialsError),
        (402, "", "no means of payment", PreflightError),
        (403, "FORBIDDEN", "You have reached your quota limit", PreflightError),
        (404, "", "no such instance", NotFoundError),
        (409, "", "another task is running", ConflictError),
        (429, "", "too many requests", ProviderError),
        (460, "", "this service has expired", CredentialsError),
        (500, "", "internal error", ProviderError),
        (503, "", "unavailable", ProviderError),
        (418, "", "teapot", ProviderError),
    ],
)
def test_each_status_has_its_own(status: int, code: str, words: str, error: type[PlexError]) -> None:
    """An answer's status, code and words make one class, for people and for CI; absence and doubt are kept apart."""
    for credentials in (PEOPLE, CI):
        found = as_plexctls(Refusal("APIError", status, code, words, ""), "do it", credentials)
        assert type(found) is error
        assert found.hint
        assert (is_absent(found), is_busy(found), is_lost(found)) == (status == 404, status == 429, status >= 500)


def test_no_word_of_ovhclouds_shows_a_secret() -> None:
    """What it echoes is blotted before it is cut; nothing in it starts a new line or moves a terminal's cursor."""
    said = f"\x1b[2J{'x' * 290}{TOKEN} more\r\n"
    found = as_plexctls(read_refusal(exceptions.APIError(said), (Secret(TOKEN),)), "do it", PEOPLE)
    assert TOKEN[:8] not in found.message
    assert found.message.isprintable()


@pytest.mark.parametrize("answer", ["null", '"text"', '[{"x": []}, 7]', "7", "<html>"])
@pytest.mark.parametrize(
    "operation", ["projects", "flavors", "images", "keys", "instances", "apps", "quota", "regions"]
)
def test_answers_that_make_no_sense_are_errors_of_the_providers(rig: Rig, operation: str, answer: str) -> None:
    """A wrong type, an empty object or a page of HTML in place of each list is ProviderError, never a traceback."""
    client, spec = rig.client(), rig.spec(product="ai-deploy", project=None)
    assert client.projects()
    rig.cloud.answers[operation] = answer
    asks: dict[str, Callable[[], object]] = {
        "projects": lambda: rig.client().all_projects(),
        "flavors": lambda: rig.provider(rig.spec()).offers(Need()),
        "images": lambda: rig.deploy(rig.begin()),
        "keys": lambda: rig.deploy(rig.begin()),
        "instances": lambda: rig.deploy(rig.begin()),
        "apps": lambda: rig.provider().find(None),
        "quota": lambda: rig.provider(spec).check_offer(spec, l4("GRA")),
        "regions": lambda: rig.provider(spec).offers(Need()),
    }
    with pytest.raises(ProviderError):
        asks[operation]()
