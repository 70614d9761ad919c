"""What an apply changes at Google: all that is missing, nothing that is as planned, little for a little."""

from __future__ import annotations

import base64
import json

import pytest
from tests.cloudrun.ground import NO_GPU, ONLY_FROM_NOTHING, PATCH, Ground, spec_of
from tests.clouds.google import Fault, RefusedError

from plexctl.errors import ConfigurationError, ConflictError
from plexctl.secret import Secret
from plexctl.states import State


def test_from_nothing_in_the_plans_order(ground: Ground) -> None:
    """Each thing is made once, before it is used; what bills most comes last, and then who may call it."""
    with ground.begun() as entry:
        assert ground.done_by(lambda: ground.apply(entry)) == ONLY_FROM_NOTHING
        assert ground.done_by(lambda: ground.apply(entry)) == []


def test_what_is_on_is_not_enabled_again(ground: Ground) -> None:
    """Only the APIs that are off are named."""
    ground.google.books.apis |= {"run", "secretmanager"}
    with ground.begun() as entry:
        ground.apply(entry)
    (sent,) = ground.sent("serviceusage.services.batchEnable")
    assert json.loads(sent) == {"serviceIds": ["artifactregistry.googleapis.com", "cloudbuild.googleapis.com"]}


def test_the_number_of_a_project_without_the_resource_manager(ground: Ground) -> None:
    """Where its API is off, as in new projects, Service Usage says the number."""
    ground.google.books.apis.discard("cloudresourcemanager")
    with ground.begun() as entry:
        ground.apply(entry)
    (policy, *_) = [one for name, one in ground.google.books.policies.items() if "secrets" in name]
    member = f"serviceAccount:{ground.google.books.number}-compute@developer.gserviceaccount.com"
    assert policy["bindings"] == [{"role": "roles/secretmanager.secretAccessor", "members": [member]}]


def test_a_new_prompt_is_one_patch_of_the_template(ground: Ground) -> None:
    """One call, naming what differs; the next apply changes nothing."""
    with ground.begun() as entry:
        ground.apply(entry)
        prompted = spec_of(gateway={"text_prompt": "You are a pirate."})
        assert ground.done_by(lambda: ground.apply(entry, prompted)) == ["update service"]
        assert ground.env()["PLEXCTL_TEXT_PROMPT"] == "You are a pirate."
        assert ground.done_by(lambda: ground.apply(entry, prompted)) == []
    (seen,) = [one for one in ground.google.requests if one.method == PATCH]
    assert "updateMask=template%2Cannotations" in seen.path


def test_instances_kept_up_change_without_a_new_revision(ground: Ground) -> None:
    """The minimum is the service's own: no new template, so no second cold start."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.apply(entry, spec_of(cloudrun={"min_instances": 1}))
    (seen,) = [one for one in ground.google.requests if one.method == PATCH]
    assert "updateMask=scaling" in seen.path
    assert "template" not in json.loads(seen.content)
    assert len(ground.service().revisions) == 1


def test_a_new_value_of_a_secret_reaches_instances(ground: Ground) -> None:
    """A version is added, and the service names it: what runs gets the value by a new revision."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.secrets["PLEXCTL_TOKEN"] = Secret("another")
        assert ground.done_by(lambda: ground.apply(entry)) == ["add secret-version", "update service"]
        name = f"{entry.ref.label}-PLEXCTL_TOKEN"
    named = {one["name"]: one["valueSource"]["secretKeyRef"] for one in ground.service().env if "valueSource" in one}
    assert named["PLEXCTL_TOKEN"] == {"secret": name, "version": "2"}
    assert named["HF_TOKEN"]["version"] == "1"
    stored = ground.google.books.versions[f"projects/my-project/secrets/{name}"]
    assert [base64.b64decode(one).decode() for one in stored] == ["a-token", "another"]


def test_private_takes_everyones_right_away_again(ground: Ground) -> None:
    """What was public becomes private by one call, and public again by one."""
    with ground.begun() as entry:
        ground.apply(entry)
        private = spec_of(cloudrun={"private": True})
        assert ground.done_by(lambda: ground.apply(entry, private)) == ["set invoker"]
        assert not ground.google.books.policies[ground.service().name].get("bindings")
        assert ground.done_by(lambda: ground.apply(entry)) == ["set invoker"]


def test_a_failed_revision_is_tried_again(ground: Ground) -> None:
    """The same plan after a failed start makes a new revision: what failed may have been Google's."""
    ground.google.run.failure = {"message": "The container exited"}
    with ground.begun() as entry:
        ground.apply(entry)
        assert ground.provider().status(entry.ref).state is State.FAILED
        ground.google.run.failure = None
        assert ground.apply(entry).changed
        assert ground.provider().status(entry.ref).state is State.LOADING
    assert len(ground.service().revisions) == 2


def test_a_start_expires_at_a_time_of_its_own(ground: Ground) -> None:
    """What ends by itself gets a new end when it is started again, and keeps it while it runs."""
    mortal = spec_of(limits={"ttl_s": 3600})
    with ground.begun() as entry:
        ground.apply(entry, mortal)
        first = float(ground.env()["PLEXCTL_EXPIRES_AT"])
        ground.google.advance(600)
        assert not ground.apply(entry, mortal).changed
        ground.provider().stop(entry.ref)
        ground.apply(entry, mortal)
        assert float(ground.env()["PLEXCTL_EXPIRES_AT"]) - first >= 600


def test_a_stop_makes_no_revision_and_a_start_none(ground: Ground) -> None:
    """0 instances by hand, read back, and automatic again: nothing is loaded anew but the instance."""
    with ground.begun() as entry:
        ground.apply(entry)
        assert ground.done_by(lambda: ground.provider().stop(entry.ref)) == ["update service"]
        assert ground.service().body["scaling"] == {"scalingMode": "MANUAL", "manualInstanceCount": 0}
        assert ground.provider().status(entry.ref).state is State.STOPPED
        assert ground.done_by(lambda: ground.apply(entry)) == ["update service"]
    assert ground.service().body["scaling"] == {"scalingMode": "AUTOMATIC"}
    assert len(ground.service().revisions) == 1


def test_an_image_that_is_there_is_not_built_again(ground: Ground) -> None:
    """Its tag says what it was built from; after a plain destroy the next deploy takes it as it is."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.provider().destroy(entry.ref)
        again = ground.done_by(lambda: ground.apply(entry))
    assert "build image" not in again
    assert "upload source" not in again


def test_the_source_is_the_same_bytes_each_time(ground: Ground) -> None:
    """What is uploaded depends on the files alone: no time, no owner."""
    contents: list[bytes] = []
    for name in ("voice", "voice-two"):
        spec = spec_of(name=name)
        with ground.begun(spec) as entry:
            ground.apply(entry, spec)
            contents += ground.google.books.objects[f"{entry.ref.label}-source"].values()
    assert contents[0] == contents[1]


def test_others_in_a_policy_stay(ground: Ground) -> None:
    """Members, conditions and whoever writes at the same time are kept: it is read again and merged."""
    with ground.begun() as entry:
        ground.apply(entry)
        key = ground.service().name
        others = [{"role": "roles/run.invoker", "members": ["user:ann@example.com"], "condition": {"title": "x"}}]
        ground.google.books.policies[key] = {"bindings": [*others], "etag": "abcd"}
        refused = RefusedError(409, "concurrent policy changes", status="ABORTED")
        ground.google.fail(Fault("run.*.setIamPolicy", refusal=refused, times=2))
        ground.apply(entry)
    everyone = {"role": "roles/run.invoker", "members": ["allUsers"]}
    assert ground.google.books.policies[key]["bindings"] == [*others, everyone]


def test_a_bucket_of_somebody_elses_is_not_taken(ground: Ground) -> None:
    """A bucket of our name that is not labelled ours ends the deploy before anything is stored in it."""
    with ground.begun() as entry:
        name = f"{entry.ref.label}-weights"
        ground.google.books.buckets[name] = {"name": name, "location": "EU"}
        ground.google.books.objects[name] = {}
        with pytest.raises(ConflictError, match=name):
            ground.apply(entry)
        ground.provider().destroy(entry.ref, everything=True)
    assert name in ground.google.books.buckets


def test_what_exists_stays_in_its_project(ground: Ground) -> None:
    """Another project in the environment does not make a second deployment there."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.environment["GOOGLE_CLOUD_PROJECT"] = "other-project"
        assert not ground.apply(entry).changed


def test_echo_takes_no_gpu_no_bucket_and_no_token_of_the_hubs(ground: Ground) -> None:
    """A trial for cents: one CPU, the image without torch, the access token alone."""
    spec = spec_of(engine="echo")
    with ground.begun(spec, NO_GPU) as entry:
        made = ground.done_by(lambda: ground.apply(entry, spec, NO_GPU))
    assert "create weights-bucket" not in made
    assert made.count("create secret") == 1
    assert "nodeSelector" not in ground.service().body["template"]


def test_no_project_is_said_with_what_names_one(ground: Ground) -> None:
    """Neither spec nor environment nor credentials name one: exit 3."""
    ground.environment["GOOGLE_CLOUD_PROJECT"] = ""
    with pytest.raises(ConfigurationError) as caught:
        ground.provider().preflight(spec_of())
    assert "cloudrun.project" in (caught.value.hint or "")
