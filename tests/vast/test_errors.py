"""Every refusal and every silence of Vast's is one of plexctl's errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tests.clouds.vast.faults import QUOTA, Answer
from tests.clouds.vast.world import VastWorld
from tests.contract.steps import begun, bring_up

from plexctl.errors import (
    CredentialsError,
    NoCapacityError,
    NotFoundError,
    PlexError,
    PreflightError,
    ProviderError,
)
from plexctl.model import Level, Need, Ref, Resource
from plexctl.states import State
from plexctl_providers.vast.errors import NoAnswer, as_plexctls, read_refusal

REF = Ref("vast", "voice", "abc234", (Resource("instance", "plexctl-voice-abc234", "77"),))


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": "auth_error", "msg": "Invalid user key"}, CredentialsError),
        (404, {"msg": "Invalid user key"}, CredentialsError),
        (403, {"error": "not_authorized"}, CredentialsError),
        (403, {"error": "invalid_args", "msg": "Offer 7 is not your own."}, ProviderError),
        (404, {"error": "invalid_args", "msg": "error 404/3603: no_such_ask ..."}, NoCapacityError),
        (410, {"error": "no_such_ask"}, NoCapacityError),
        (400, {"error": "resources_unavailable"}, NoCapacityError),
        (404, {"error": "no_such_instance"}, NotFoundError),
        (404, {"error": "not_found"}, NotFoundError),
        (404, {"msg": "Instance not found"}, NotFoundError),
        (404, {}, ProviderError),
        (404, {"error": "invalid_id"}, NotFoundError),
        (400, {"error": "invalid_price"}, PreflightError),
        (400, {"error": "missing_billing"}, PreflightError),
        (400, {"error": "spend_rate_limit"}, PreflightError),
        (400, {"msg": "Your account lacks credit; see the billing page"}, PreflightError),
        (429, {"error": "search_quota_exceeded"}, PreflightError),
        (429, {"detail": "API requests too frequent"}, ProviderError),
        (410, {"error": "deprecated_endpoint"}, ProviderError),
        (400, {"error": "invalid_args", "msg": "no"}, ProviderError),
        (418, {}, ProviderError),
        (500, {}, ProviderError),
        (200, {"success": False, "error": "whatever"}, ProviderError),
    ],
)
def test_each_refusal_has_its_class(status: int, body: dict[str, Any], kind: type[PlexError]) -> None:
    """By Vast's code, by its words where the code says less, by the status at last."""
    error = as_plexctls(read_refusal(status, body, {}), "do it")
    assert type(error) is kind
    assert str(status) in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "body", [None, [], "text", 7, {"error": None}, {"error": 7, "msg": ["a", "b"]}, {"new_contract": "x"}]
)
def test_no_body_is_too_odd(body: object) -> None:
    """Whatever comes back, it is an error of ours in one line."""
    error = as_plexctls(read_refusal(502, body or "<html>\n bad \n</html>" * 99, {"Retry-After": "soon"}), "do it")
    assert type(error) is ProviderError
    assert "\n" not in error.message
    assert len(error.message) < 400


def test_a_silence_is_said_as_one() -> None:
    """With what was being done."""
    words = "cannot rent: Vast gave no answer that can be read (ConnectionError)"
    assert as_plexctls(NoAnswer("ConnectionError"), "rent").message == words


def test_a_quota_of_the_day_is_not_waited_for(world: VastWorld) -> None:
    """It ends at midnight UTC: said at once, asked once."""
    world.cloud.fail("search", QUOTA)
    with pytest.raises(PreflightError) as caught:
        world.provider().offers(Need())
    assert "midnight UTC" in (caught.value.hint or "")
    assert sum(one.operation == "search" for one in world.cloud.requests) == 1


def test_a_wait_of_more_than_a_minute_is_said_instead(world: VastWorld) -> None:
    """Retry-After of an hour is not slept through."""
    world.cloud.fail("user", Answer.of(429, {"detail": "later"}, **{"Retry-After": "3600"}), times=9)
    before = world.cloud.clock.now()
    with pytest.raises(ProviderError, match="429"):
        world.adapter().check_credentials()
    assert world.cloud.clock.now() - before < 60


def test_no_network_is_said_after_a_few_tries(world: VastWorld) -> None:
    """Reads are repeated four times in all."""
    world.cloud.fail("user", None, times=99)
    with pytest.raises(ProviderError, match="no answer"):
        world.adapter().check_credentials()
    assert sum(one.operation == "user" for one in world.cloud.requests) == 4


@pytest.mark.parametrize(
    ("credit", "level"), [(25.0, Level.OK), (0.5, Level.WARN), (0.0, Level.FAIL), (-3.0, Level.FAIL)]
)
def test_the_credit_is_looked_at_first(world: VastWorld, credit: float, level: Level) -> None:
    """Without any nothing can be rented; with little it will be stopped."""
    world.cloud.credit = credit
    found = {one.check: one.level for one in world.provider().preflight(world.spec("voice"))}
    assert found == {"vast-key": Level.OK, "vast-credit": level}


ODD: tuple[object, ...] = ("odd", [None], [{}], [{"id": None}], [{"id": "\u00b2"}], [{"label": "x"}], 7, True, [[]])
"""What a list, an offer or an instance may be instead: nobody documents any of it."""


@pytest.mark.parametrize("told", [*ODD, None, {}, {"id": 77}], ids=repr)
def test_a_list_that_cannot_be_read_is_not_an_empty_one(world: VastWorld, told: object) -> None:
    """Taken for empty it would rent a second instance, and call gone what bills: exit 8."""
    world.cloud.fail("list", Answer.of(200, {"instances": told}), times=9)
    for call in (lambda: world.provider().find(None), lambda: world.provider().destroy(REF), lambda: apply(world)):
        with pytest.raises(ProviderError, match="no answer that can be read"):
            call()
    assert world.mutations() == []


@pytest.mark.parametrize("body", [*({"instances": told} for told in (*ODD, {"id": 78}, [{"id": 78}])), {}], ids=repr)
def test_an_instance_that_cannot_be_read_is_not_gone(world: VastWorld, body: object) -> None:
    """Another one's row, rubbish, or not a word of it: only null and what is empty mean that there is none."""
    world.cloud.fail("show", Answer.of(200, body), times=99)
    for call in (lambda: world.provider().status(REF), lambda: world.provider().destroy(REF)):
        with pytest.raises(ProviderError, match="no answer that can be read"):
            call()


@pytest.mark.parametrize("told", [None, [], {}])
def test_what_is_null_or_empty_is_gone(world: VastWorld, told: object) -> None:
    """The description has null; an empty list or object says the same."""
    world.cloud.fail("show", Answer.of(200, {"instances": told}))
    assert world.provider().status(REF).state is State.MISSING


@pytest.mark.parametrize("told", [None, *ODD], ids=repr)
def test_odd_offers_are_none_or_said(world: VastWorld, told: object) -> None:
    """Rows without an id are left out; what is no list at all is an error."""
    world.cloud.fail("search", Answer.of(200, {"offers": told}))
    if isinstance(told, list):
        assert world.provider().offers(Need()) == []
    else:
        with pytest.raises(ProviderError, match="no answer that can be read"):
            world.provider().offers(Need())


def test_an_empty_list_is_empty(world: VastWorld) -> None:
    """Nothing is there, nothing is offered."""
    world.cloud.fail("search", Answer.of(200, {"offers": []}))
    assert world.provider().find(None) == []
    assert world.provider().offers(Need()) == []


@pytest.mark.parametrize("content", [b"", b"<html>a proxy's page</html>", b"[]", b'"odd"', b"null", b"\xff\xfe"])
@pytest.mark.parametrize("operation", ["user", "search", "list", "show"])
def test_a_success_that_says_nothing_is_an_error(world: VastWorld, operation: str, content: bytes) -> None:
    """Whatever a 200 carries instead of an object: exit 8 after a few tries."""
    world.cloud.fail(operation, Answer(200, content), times=99)
    calls: dict[str, Callable[[], object]] = {
        "user": lambda: world.adapter().check_credentials(),
        "search": lambda: world.provider().offers(Need()),
        "list": lambda: world.provider().find(None),
        "show": lambda: world.provider().status(REF),
    }
    with pytest.raises(ProviderError, match="no answer that can be read"):
        calls[operation]()


def apply(world: VastWorld) -> None:
    """Bring a deployment up."""
    with begun(world) as entry:
        bring_up(world, entry)
