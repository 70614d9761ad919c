"""What an apply changes at Modal, call by call; and what is found again without any record."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from modal_proto import api_pb2
from tests.contract.worlds import until
from tests.modal.ground import Ground, spec_of

from plexctl.model import Endpoint, Ref, Resource
from plexctl.secret import Secret
from plexctl.states import State
from plexctl_providers.modal.adapter import ModalProvider

DEPLOY = {"FunctionPrecreate", "ClassCreate", "FunctionCreate", "ImageGetOrCreate", "AppPublish"}
"""What Modal's client sends for an app that exists."""


def test_unchanged_is_left_alone(ground: Ground) -> None:
    """The same plan again reads, and changes nothing at all."""
    entry, _ = ground.deploy(spec_of())
    changes = list(ground.cloud.changed)
    assert not ground.deploy(spec_of(), entry)[1].changed
    assert ground.cloud.changed == changes


@pytest.mark.parametrize(
    "changed",
    [
        {"gateway": {"text_prompt": "You are a pirate."}},
        {"modal": {"min_containers": 1, "max_containers": 2}},
        {"modal": {"scaledown_window_s": 60}},
    ],
    ids=["prompt", "containers", "window"],
)
def test_a_small_change_deploys_the_app_and_nothing_else(ground: Ground, changed: dict[str, Any]) -> None:
    """No secret, no volume, no fetch, no image that was not there: one deploy of the same app, at the same address."""
    entry, first = ground.deploy(spec_of())
    app, images, at = ground.app(entry.ref), len(ground.cloud.images), len(ground.cloud.changed)
    again = ground.deploy(spec_of(**changed), entry)[1]
    calls = [call for call in ground.cloud.changed[at:] if not _is_unnamed_secret(call.request)]
    assert {call.method for call in calls} == DEPLOY
    assert len(ground.cloud.images) == images
    assert (again.endpoint, ground.app(entry.ref).id, ground.app(entry.ref).version) == (first.endpoint, app.id, 2)


def test_a_secret_is_sent_when_an_app_is_made_and_when_asked_for(ground: Ground) -> None:
    """Nobody can read it back, so that it goes again with `--renew-secrets` and with a start, and then the app too."""
    entry, _ = ground.deploy(spec_of("echo"))
    secret = next(one for one in ground.cloud.secrets.values() if one.name)
    renewed = replace(ground.context, secrets={"PLEXCTL_TOKEN": Secret("another")})
    plan = ground.plan(spec_of("echo"))
    assert not ModalProvider(renewed).apply(plan, entry).changed
    assert secret.values["PLEXCTL_TOKEN"] != "another"
    assert ModalProvider(replace(renewed, renews_secrets=True)).apply(plan, entry).changed
    assert (secret.values["PLEXCTL_TOKEN"], ground.app(entry.ref).version) == ("another", 2)
    ground.provider().stop(entry.ref)
    assert ground.deploy(spec_of("echo"), entry)[1].changed
    assert secret.values["PLEXCTL_TOKEN"] != "another"


def test_weights_are_fetched_once_for_all(ground: Ground) -> None:
    """With progress, without a GPU, in an app that is gone afterwards; the next deployment finds them in the volume."""
    ground.deploy(spec_of())
    (call,) = ground.cloud.calls_of("FunctionMap")
    fetcher = ground.cloud.functions[call.function_id]
    assert not fetcher.definition.resources.gpu_config.gpu_type
    assert "weights: 4.3 of 17.1 GB, 400 MB/s" in ground.told
    assert not ground.cloud.apps[fetcher.app_id].is_alive
    ground.deploy(spec_of(name="other"))
    assert len(ground.cloud.calls_of("FunctionMap")) == 1
    assert "the volume plexctl-weights has the weights already" in ground.told


def test_other_weights_are_fetched(ground: Ground) -> None:
    """A pinned revision that the volume does not have is fetched before a GPU waits for it."""
    ground.deploy(spec_of())
    ground.deploy(spec_of(name="other", model={"revision": "d" * 40}))
    assert len(ground.cloud.calls_of("FunctionMap")) == 2


def test_a_fetch_that_goes_on_is_found_and_ended(ground: Ground) -> None:
    """While it runs, the deployment is being made; a destroy ends it too."""
    ground.cloud.fetch_hangs = True
    entry = ground.begin(spec_of())
    failed: list[Exception] = []

    def deploy() -> None:
        with pytest.raises(Exception) as caught:  # noqa: PT011 - whatever it is, it is over
            ground.provider().apply(plan, other)
        failed.append(caught.value)

    other = _Unrecorded(entry.ref)
    plan = ground.plan(spec_of())
    deploying = threading.Thread(target=deploy)
    deploying.start()
    until(lambda: bool(ground.cloud.calls), "the fetch")
    assert ground.provider().status(entry.ref).state is State.CREATING
    (found,) = ground.provider().find("voice")
    assert "fetch-app" in {one.kind for one in found.resources}
    ground.cloud.fetch_failure = ("the container was stopped", None)
    ground.provider().destroy(replace(found, resources=(*found.resources, *other.ref.resources)), everything=True)
    deploying.join(30)
    assert failed
    assert ground.left() == []


def test_find_looks_into_every_environment(ground: Ground) -> None:
    """What was deployed elsewhere is found there, with a secret alone too, and can be stopped and destroyed."""
    ground.cloud.environments.append("dev")
    here, _ = ground.deploy(spec_of("echo"))
    ground.deploy(spec_of("echo", name="there", modal={"environment": "dev"}))
    ground.cloud.kill(ground.app(here.ref))
    found = {ref.name: ref for ref in ground.provider().find(None)}
    assert [one.kind for one in found["voice"].resources] == ["secret"]
    assert {one.detail["environment"] for one in found["there"].resources} == {"dev"}
    assert ground.provider().status(found["there"]).state is State.LOADING
    for ref in found.values():
        ground.provider().destroy(ref)
    assert ground.left() == []


def test_a_half_made_app_is_found_and_removed(ground: Ground) -> None:
    """Killed while the app is made, it has no name yet: it is known by its description."""
    entry = ground.begin(spec_of("echo"))
    ground.deploy(spec_of("echo"), entry)
    ground.app(entry.ref).state = api_pb2.APP_STATE_INITIALIZING
    for app in ground.cloud.apps.values():
        app.name = ""
    assert ground.provider().status(entry.ref).state is State.CREATING
    (found,) = ground.provider().find("voice")
    ground.provider().destroy(found)
    assert ground.left() == []


def test_the_volume_goes_with_everything_and_with_nobody_else(ground: Ground) -> None:
    """It is kept, with the reason and its cost, until the last deployment takes it with it."""
    first, _ = ground.deploy(spec_of())
    second, _ = ground.deploy(spec_of(name="other"))
    (kept,) = ground.provider().destroy(first.ref, everything=True).kept
    assert kept.name == "plexctl-weights"
    assert "other may use" in kept.why
    (kept,) = ground.provider().destroy(second.ref).kept
    assert "USD" in kept.why
    assert ground.left() == ["plexctl-weights"]
    assert ground.provider().destroy(second.ref, everything=True).kept == ()
    assert ground.left() == []


def test_a_plan_says_what_a_redeploy_does(ground: Ground) -> None:
    """To conversations under way, and what stop and destroy leave, before anything exists."""
    from plexctl_providers.modal.requests import check

    said = {one.check: one.message for one in check(spec_of(), ground.plan(spec_of()).offer)}
    assert "conversations have ended" in said["redeploy"]
    assert "volume" in said["destroy"]
    assert "nothing bills" in said["stop"]
    assert json.dumps(ground.plan(spec_of(modal={"environment": "dev"})).place) == '"dev"'


class _Unrecorded:
    """A journal of one deployment in memory: the test's own is for one thread."""

    def __init__(self, ref: Ref) -> None:
        self.ref = ref

    def intend(self, kind: str, name: str, detail: Mapping[str, str] | None = None) -> int:
        self.ref = replace(self.ref, resources=(*self.ref.resources, Resource(kind, name, None, dict(detail or {}))))
        return len(self.ref.resources) - 1

    def created(self, key: int, resource_id: str, detail: Mapping[str, str] | None = None) -> None:
        del detail
        made = list(self.ref.resources)
        made[key] = replace(made[key], id=resource_id)
        self.ref = replace(self.ref, resources=tuple(made))

    def removed(self, key: int) -> None:
        del key

    def reached(self, endpoint: Endpoint) -> None:
        del endpoint


def _is_unnamed_secret(request: object) -> bool:
    return isinstance(request, api_pb2.SecretGetOrCreateRequest) and not request.deployment_name


def test_the_volume_is_found_without_a_record(ground: Ground) -> None:
    """Of a deployment that no journal knows, a destroy names the volume as kept, or removes it with everything."""
    entry, _ = ground.deploy(spec_of())
    (found,) = ground.provider().find("voice")
    (kept,) = ground.provider().destroy(found).kept
    assert kept.name == "plexctl-weights"
    assert "modal volume delete plexctl-weights -e main" in kept.why
    ground.deploy(spec_of(), entry)
    (found,) = ground.provider().find("voice")
    assert not ground.provider().destroy(found, everything=True).kept
    assert ground.left() == []
