from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.clouds.lambda_cloud.judge import described
from tests.lambda_cloud.rig import Rig

from plexctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsError,
    NoCapacityError,
    NoCredentialsError,
    PlexError,
    PreflightError,
    ProviderError,
)
from plexctl.model import Need, Ref
from plexctl.secret import Secret
from plexctl_providers.lambda_cloud.errors import error_of, is_absent, is_lost

MEANINGS = {
    "global/invalid-api-key": CredentialsError,
    "global/forbidden": CredentialsError,
    "global/account-inactive": PreflightError,
    "global/invalid-address": PreflightError,
    "global/quota-exceeded": PreflightError,
    "global/invalid-parameters": ProviderError,
    "global/duplicate": ConflictError,
    "global/conflict": ConflictError,
    "global/object-does-not-exist": ProviderError,
    "global/not-found": ProviderError,
    "global/internal-error": ProviderError,
    "instance-operations/launch/insufficient-capacity": NoCapacityError,
    "instance-operations/launch/file-system-in-wrong-region": PreflightError,
    "firewall-rulesets/firewall-ruleset-in-use": ConflictError,
    "filesystems/filesystem-in-use": ConflictError,
}
"""Each code of the description."""
READS = ("/instances", "/instance-types", "/images", "/ssh-keys", "/firewall-rulesets", "/file-systems")
RUBBISH = (
    "",
    "<html>",
    "[]",
    "null",
    '"data"',
    '{"data": null}',
    '{"data": {"a": 1}}',
    '{"data": [1]}',
    '{"data": [{"id": 7}]}',
    '{"data": [{"id": null, "name": [], "status": {}, "region": 3}]}',
    "[" * 100_000,
)


def body(code: str, message: str = "words") -> object:
    """Return an error as Lambda answers it."""
    return {"error": {"code": code, "message": message, "suggestion": "advice"}}


def test_every_described_code_has_a_meaning() -> None:
    """The description's codes are those of the table; each is exactly its class, and says Lambda's words."""
    schemas = described()["components"]["schemas"]
    codes = {one["properties"]["code"]["const"] for name, one in schemas.items() if name.startswith("ApiError")}
    assert codes == set(MEANINGS)
    for code, kind in MEANINGS.items():
        error = error_of("do it", 400, body(code))
        assert type(error) is kind, code
        assert error.message == f"cannot do it: Lambda says: words advice ({code})"


@pytest.mark.parametrize(
    ("status", "answer", "kind", "lost"),
    [
        (401, None, CredentialsError, False),
        (403, "<html>", CredentialsError, False),
        (403, body("global/of-next-year"), CredentialsError, False),
        (404, None, ProviderError, False),
        (409, body("global/internal-error"), ProviderError, True),
        (418, body("global/of-next-year"), ProviderError, False),
        (429, "slow down", ProviderError, False),
        (400, body("provider/internal-unavailable"), ProviderError, True),
        (500, body("global/unknown"), ProviderError, True),
        (502, "<html>", ProviderError, True),
        (503, None, ProviderError, True),
        (302, None, ProviderError, False),
    ],
)
def test_what_is_not_described_is_understood_all_the_same(
    status: int, answer: object, kind: type[PlexError], lost: object
) -> None:
    """By the HTTP status; faults behind Lambda and of its servers may have done what was asked."""
    error = error_of("do it", status, answer)
    assert type(error) is kind
    assert is_lost(error) is lost
    assert not is_absent(error)
    assert "\n" not in error.message


def test_an_answer_cannot_show_a_secret_or_move_the_cursor() -> None:
    """Values of secrets are blotted out of Lambda's words, control characters are not passed on, and they are short."""
    error = error_of("do it", 400, body("global/conflict", "key-1234\x1b[2J " + "x" * 999), ["key-1234"])
    assert "key-1234" not in error.message
    assert "\x1b" not in error.message
    assert len(error.message) < 400


@pytest.mark.parametrize("path", READS)
def test_an_answer_that_makes_no_sense_is_an_error_of_the_provider(rig: Rig, path: str) -> None:
    """HTML, an empty answer, other types than described: one line each, and never a traceback."""
    provider = rig.provider()
    reads: dict[str, Callable[[], object]] = {
        "/instances": lambda: provider.find(None),
        "/instance-types": lambda: provider.offers(Need()),
        "/images": lambda: rig.provider().preflight(rig.spec()),
        "/ssh-keys": lambda: provider.status(Ref("lambda", "voice", "abc234")),
        "/firewall-rulesets": lambda: provider.find(None),
        "/file-systems": lambda: rig.provider().preflight(rig.spec(file_system="weights")),
    }
    for text in RUBBISH:
        rig.cloud.faults.clear()
        rig.cloud.fail(f"GET {path}", 200, text=text, times=None)
        with pytest.raises(ProviderError, match="Lambda's answer is not"):
            reads[path]()


@pytest.mark.parametrize("text", RUBBISH)
def test_a_create_whose_answer_makes_no_sense_is_looked_up(rig: Rig, text: str) -> None:
    """It was launched all the same: what Lambda has by that name is taken, and there is one."""
    rig.cloud.fail("POST /instance-operations/launch", 200, text=text, after=True)
    entry = rig.begin()
    assert rig.apply(entry).changed
    assert entry.ref.first("instance").id == rig.instance().id  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("variables", "kind", "says"),
    [
        ({"LAMBDA_API_KEY": ""}, NoCredentialsError, "is not set"),
        ({"LAMBDA_API_KEY": "two words"}, CredentialsError, "characters that no key has"),
        ({"LAMBDA_CLOUD_BASE_URL": "http://cloud.lambda.ai"}, ConfigurationError, "is not usable"),
        ({"LAMBDA_CLOUD_BASE_URL": "ftp://127.0.0.1"}, ConfigurationError, "is not usable"),
        ({"LAMBDA_CLOUD_BASE_URL": "https://"}, ConfigurationError, "is not usable"),
        ({"LAMBDA_CLOUD_BASE_URL": "http://127.0.0.1:9"}, ProviderError, "no answer from Lambda"),
        ({"LAMBDA_API_KEY": "wrong"}, CredentialsError, "API key was invalid"),
    ],
)
def test_without_a_good_key_or_address_nothing_is_done(
    rig: Rig, variables: dict[str, str], kind: type[PlexError], says: str
) -> None:
    """Each is its own error; http is for this machine alone, and a key is never shown."""
    rig.world.variables = variables
    with pytest.raises(kind, match=says) as caught:
        rig.provider().offers(Need())
    assert type(caught.value) is kind
    assert rig.cloud.key not in json.dumps([caught.value.message, caught.value.hint, caught.value.data])


def test_who_is_not_set_up_is_told(rig: Rig) -> None:
    """Without a key `doctor` warns and asks nobody; with one, a list of instances shows that it is taken."""
    assert rig.provider().check_credentials().level == "ok"
    rig.world.variables = {"LAMBDA_API_KEY": ""}
    calls = len(rig.cloud.seen)
    assert rig.provider().check_credentials().level == "warn"
    assert len(rig.cloud.seen) == calls


def test_a_secret_in_an_error_of_lambdas_is_blotted_out(rig: Rig) -> None:
    """Should Lambda echo a secret, it is not in what plexctl says."""
    rig.cloud.fail("GET /instance-types", 400, "global/invalid-parameters", message="bad canary-77aa")
    provider = rig.world.provider({"PLEXCTL_TOKEN": Secret("canary-77aa")})
    with pytest.raises(ProviderError) as caught:
        provider.offers(Need())
    assert "canary-77aa" not in caught.value.message
