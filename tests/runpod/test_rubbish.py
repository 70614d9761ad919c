"""Answers and settings that no sane RunPod or user gives: each an error in words, and nothing is lost by it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import pytest
from aiohttp import web
from tests.clouds.runpod.faults import DROPPED, Fault
from tests.clouds.runpod.server import RunPod
from tests.runpod.rig import Rig

from plexctl.contract import Context
from plexctl.errors import ConfigurationError, CredentialsError, NoCapacityError, PlexError, ProviderError
from plexctl.journal import Entry
from plexctl.model import Level, Need
from plexctl_providers.runpod.account import _figure
from plexctl_providers.runpod.adapter import RunPodProvider
from plexctl_providers.runpod.events import events_in

ANSWERS = {
    "html": b"<html>no</html>",
    "nothing": b"",
    "a list": b"[[], 5, null]",
    "other types": b'{"id": 5, "name": [], "status": {}, "actions": 7, "env": [], "mounts": [1], "pods": {}}',
    "no id": b'{"id": null, "name": "n", "status": "RUNNING", "pods": [{"id": "../x", "name": "n", "status": "x"}]}',
    "endless": b'{"id": "a", "name": "n", "status": "x", "gpu": {"count": 1e999}, "pods": [{"id": "a", "gpu": 1e999}]}',
    "deep": b"[" * 100_000,
    "half a letter": b'{"id": "a", "name": "n", "status": "x", "dataCenterId": "\\ud800", "pods": 1}',
}


class Rubbish(Fault):
    """An answer of the test's own, after the operation took effect."""

    def __init__(self, operation: str, body: bytes, headers: dict[str, str] | None = None, status: int = 200) -> None:
        super().__init__(operation, status, after=True, headers=headers or {}, times=None)
        self.body = body


class Rubbishing(RunPod):
    """A RunPod that can answer so."""

    def _faulty(self, fault: Fault, request: web.Request) -> web.StreamResponse:
        if isinstance(fault, Rubbish):
            return web.Response(status=fault.status, body=fault.body, headers=fault.headers)
        return super()._faulty(fault, request)


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Give an account there."""
    monkeypatch.setattr("tests.clouds.runpod.world.RunPod", Rubbishing)
    with Rig(tmp_path / "home") as one:
        one.cloud.running.has_gateways = False
        yield one


class Answering:
    """While it lasts, an operation is answered with rubbish."""

    def __init__(self, rig: Rig, fault: Fault) -> None:
        self._faults, self._fault = rig.cloud.faults, fault

    def __enter__(self) -> Self:
        self._faults.append(self._fault)
        return self

    def __exit__(self, *_: object) -> None:
        self._faults.clear()


def pods(rig: Rig) -> set[str | None]:
    """Return the ids of what there is."""
    return set(rig.cloud.pods)


def known(entry: Entry) -> set[str | None]:
    """Return the ids that the journal has."""
    return {one.id for one in entry.ref.resources}


@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS.keys())
def test_a_create_answered_with_rubbish_is_adopted_by_its_name(rig: Rig, body: bytes) -> None:
    """It was made: the journal has RunPod's own id of it, and it was sent once."""
    entry = rig.begin()
    with Answering(rig, Rubbish("create", body)):
        rig.deploy(entry)
    assert known(entry) == pods(rig)
    assert len(pods(rig)) == rig.counted("create") == 1


@pytest.mark.parametrize("operation", ["list", "get", "stop", "delete"])
@pytest.mark.parametrize("body", ANSWERS.values(), ids=ANSWERS.keys())
def test_rubbish_is_an_error_in_words_or_read_back(rig: Rig, operation: str, body: bytes) -> None:
    """Whatever is answered, `stop` and `destroy` say that it is done only where it is; afterwards both work."""
    entry, provider = rig.begin(), rig.provider
    rig.deploy(entry)
    calls: dict[str, Callable[[], object]] = {
        "stop": lambda: provider().stop(entry.ref),
        "destroy": lambda: provider().destroy(entry.ref),
    }
    for name, call in calls.items():
        refused: PlexError | None = None
        with Answering(rig, Rubbish(operation, body)):
            try:
                call()
            except PlexError as error:
                refused = error
        if refused is None:
            assert not any(pod.is_up for pod in rig.cloud.pods.values())
            assert name == "stop" or not rig.cloud.pods
        else:
            assert refused.exit_code == 8, refused
    provider().destroy(entry.ref)
    assert rig.cloud.billing() == []


@pytest.mark.parametrize("status", [302, 401, 404, 405])
def test_only_runpods_own_words_refuse_a_create(rig: Rig, status: int) -> None:
    """A page of somebody between is no word of RunPod's: it may have been made, and is looked for."""
    entry = rig.begin()
    with Answering(rig, Rubbish("create", b"<html>moved</html>", status=status)):
        rig.deploy(entry)
    assert known(entry) == pods(rig)
    assert len(pods(rig)) == 1


def test_a_404_of_somebody_between_is_not_gone(rig: Rig) -> None:
    """A pod that runs on while a proxy answers 404 for it is not said to be stopped."""
    entry = rig.begin()
    rig.deploy(entry)
    rig.cloud.fail("stop", 500, times=None)
    with Answering(rig, Rubbish("get", b"404: no such route", status=404)), pytest.raises(ProviderError):
        rig.provider().stop(entry.ref)
    assert rig.world.running(entry.ref) == 1


@pytest.mark.parametrize("refusal", [401, 429])
def test_a_key_that_is_refused_while_a_lost_create_is_looked_for(rig: Rig, refusal: int) -> None:
    """Nobody may read any more: the intent stays, and with a good key the next deploy takes the pod as its own."""
    entry = rig.begin()
    plan = rig.plan()

    class Turning(Fault):
        def strikes(self, operation: str) -> bool:
            return operation == "list" and rig.counted("create") > 0

    rig.cloud.fail("create", DROPPED, after=True)
    with Answering(rig, Turning("list", refusal, "refused", times=None)), pytest.raises(PlexError) as caught:
        rig.provider().apply(plan, entry)
    assert type(caught.value) is (CredentialsError if refusal == 401 else ProviderError)
    assert known(entry) == {None}
    rig.provider().apply(plan, entry)
    assert known(entry) - {None} == pods(rig)
    assert rig.counted("create") == 1


def test_no_capacity_by_a_failed_server_may_have_made_it(rig: Rig) -> None:
    """503 in words of capacity, and no pod in sight: the next offer's turn, and the intent stays to be looked at."""
    entry = rig.begin()
    rig.cloud.fail("create", 503, "insufficient capacity")
    with pytest.raises(NoCapacityError):
        rig.deploy(entry)
    assert known(entry) == {None}
    rig.cloud.fail("create", 503, "insufficient capacity", after=True)
    rig.deploy(entry)
    assert known(entry) == pods(rig)


@pytest.mark.parametrize(
    "headers", [{"RateLimit": f'"minute";r={"9" * 5000};t=1'}, {"RateLimit": '"minute";r=1;t=' + "9" * 400}]
)
def test_a_quota_that_is_no_number_is_not_heeded(rig: Rig, headers: dict[str, str]) -> None:
    """It is neither waited for nor the end."""
    with Answering(rig, Rubbish("list", b'{"pods": []}', headers)):
        before = rig.cloud.clock.now()
        assert rig.provider().find(None) == []
    assert rig.cloud.clock.now() - before < 30


def test_a_catalogue_and_money_without_measure(rig: Rig) -> None:
    """Numbers that are none are not shown as prices or balances."""
    with Answering(rig, Rubbish("catalog", b"[" * 100_000)), pytest.raises(ProviderError):
        rig.provider().offers(Need())
    with Answering(rig, Rubbish("graphql", b'{"data": {"myself": {"clientBalance": 1e999}}}')):
        (found,) = [one for one in rig.provider().preflight(rig.spec()) if one.check == "balance"]
    assert found.level is Level.WARN
    assert [_figure(one) for one in (10**400, float("nan"), True, "5", 5)] == [None, None, None, None, 5.0]


def test_log_lines_that_are_no_text() -> None:
    """Half a character is shown as a question mark; an id that no header carries is not kept."""
    found = list(events_in(["id: \u00e9", 'data: {"line": "a \\ud800 b", "ts": "0001-01-01T00:00:00"}', ""]))
    assert [(one.id, one.line) for one in found] == [("", "a ? b")]


def test_a_network_volume_is_one_part_of_a_path(rig: Rig) -> None:
    """Whatever stands in the setting, nothing but a network volume is asked for."""
    rig.provider().preflight(rig.spec(network_volume="../pods?x=1"))
    assert any(one.path == "/v2/network-volumes/..%2Fpods%3Fx%3D1" for one in rig.cloud.seen)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PLEXCTL_RUNPOD_URL", "http://[::1"),
        ("PLEXCTL_RUNPOD_URL", "https://host:port"),
        ("PLEXCTL_RUNPOD_URL", "https://user:word@127.0.0.1"),
        ("PLEXCTL_RUNPOD_URL", "https://a b"),
        ("PLEXCTL_RUNPOD_URL", "https://127.0.0.1:1/v2"),
        ("PLEXCTL_RUNPOD_URL", "https://127.0.0.1:1?x"),
        ("HTTPS_PROXY", "rubbish"),
        ("HTTPS_PROXY", "http://[::1"),
        ("HTTPS_PROXY", "http://127.0.0.1:port"),
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_FILE", __file__),
    ],
)
def test_an_environment_that_leads_nowhere_is_named(tmp_path: Path, variable: str, value: str) -> None:
    """Exit code 3 with the variable's name, not a traceback; no password of it is repeated."""
    environment = {"PLEXCTL_RUNPOD_URL": "https://127.0.0.1:1", "RUNPOD_API_KEY": "k", variable: value}
    with pytest.raises(ConfigurationError, match=variable) as caught:
        RunPodProvider(Context(tmp_path, environment, {}, time.time)).find(None)
    assert "word" not in f"{caught.value} {caught.value.hint}"


@pytest.mark.parametrize("template", ["http://[{pod_id}", "https://{pod_id}:{port}x", "https://x@{pod_id}"])
def test_a_proxy_that_is_none_is_said_before_anything_is_made(rig: Rig, template: str) -> None:
    """Nothing is created that nobody could reach."""
    environment = rig.cloud.environment_variables | {"PLEXCTL_RUNPOD_PROXY": template}
    context = Context(rig.home, environment, {}, time.time)
    with pytest.raises(ConfigurationError, match="PLEXCTL_RUNPOD_PROXY"):
        RunPodProvider(context).apply(rig.plan(), rig.begin())
    assert rig.counted("create") == 0
