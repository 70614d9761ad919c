"""Google fails in its ways: what may be repeated is, what may not is looked for; each end has its class and words."""

from __future__ import annotations

import time

import pytest
from tests.cloudrun.ground import ONLY_FROM_NOTHING, Ground, spec_of
from tests.clouds.google import CREATES, Fault, Google, How, RefusedError
from tests.contract.worlds import until

from plexctl.errors import ConflictError, CredentialsError, PlexError, PreflightError, ProviderError
from plexctl.model import LogLine, Ref
from plexctl.states import State

ALL_CREATES = CREATES.split("|")


@pytest.mark.parametrize("method", ALL_CREATES)
@pytest.mark.parametrize("how", [How.LOST, How.GONE])
def test_a_create_whose_answer_is_lost_is_looked_for(ground: Ground, method: str, how: How) -> None:
    """Done or not done, within the same apply: there is one of it in the end, made once."""
    ground.google.fail(Fault(method, how, times=1))
    with ground.begun() as entry:
        made = ground.done_by(lambda: ground.apply(entry))
        assert not ground.apply(entry).changed
    assert sorted(made) == sorted(ONLY_FROM_NOTHING)


def test_500_twice_and_then_success_succeeds(ground: Ground) -> None:
    """Reads are repeated; creates are looked for and then made."""
    for method in ("*.get", "*.create", "*.insert", "*.patch"):
        ground.google.fail(Fault(method, refusal=RefusedError(500, "Internal error encountered."), times=2))
    with ground.begun() as entry:
        assert ground.done_by(lambda: ground.apply(entry)).count("create service") == 1


@pytest.mark.parametrize("method", ["run.projects.locations.services.create", "*.addVersion", "*.services.get"])
def test_429_is_waited_for_as_long_as_google_says(ground: Ground, method: str) -> None:
    """Retry-After is obeyed, for calls that make something too: what was refused was not done."""
    refused = RefusedError(429, "Too many requests", headers={"Retry-After": "1"})
    ground.google.fail(Fault(method, refusal=refused, times=1))
    begun = time.monotonic()
    with ground.begun() as entry:
        ground.apply(entry)
    assert time.monotonic() - begun >= 1


def test_a_slow_answer_is_waited_for(ground: Ground) -> None:
    """An answer that takes its time is an answer."""
    fault = ground.google.fail(Fault("*.repositories.create", How.LOST, times=1, seconds=0.3))
    with ground.begun() as entry:
        ground.apply(entry)
    assert fault.times == 0


def test_a_failed_build_shows_its_last_lines(ground: Ground) -> None:
    """Exit 8 with what the build said last, and nothing that bills is left after a destroy."""
    lines = [f"Step {number}" for number in range(30)] + ["ERROR: no matching distribution"]
    ground.google.build_failure = {"detail": "Build step failure: build step 0 failed", "lines": lines}
    with ground.begun() as entry:
        with pytest.raises(ProviderError, match="no matching distribution") as caught:
            ground.apply(entry)
        assert caught.value.exit_code == 8
        assert isinstance(caught.value.data, dict)
        assert caught.value.data["log"] == lines[-20:]
        ground.provider().destroy(entry.ref, everything=True)
    books = ground.google.books
    left = [books.services, books.secrets, books.buckets, books.repositories]
    assert not any(left)


def test_a_build_that_runs_is_ended_by_a_destroy(ground: Ground) -> None:
    """Killed while the image was built: the build bills by the minute, so that it is cancelled."""
    ground.google.fail(Fault("cloudbuild.projects.builds.get", refusal=RefusedError(403, "no")))
    with ground.begun() as entry:
        with pytest.raises(CredentialsError):
            ground.apply(entry)
        ground.google.faults.clear()
        ground.provider().destroy(entry.ref)
    (build,) = ground.google.books.builds.values()
    assert build["status"] == "CANCELLED"


def test_a_cold_start_of_ten_minutes_is_a_start_under_way(ground: Ground) -> None:
    """By the clock: creating until Google says ready, and never failed before."""
    ground.google.run.start_s = 600
    with ground.begun() as entry:
        ground.apply(entry)
        for _ in range(3):
            assert ground.provider().status(entry.ref).state is State.CREATING
            ground.google.advance(199)
        ground.google.advance(4)
        assert ground.provider().status(entry.ref).state is State.LOADING


def test_the_revision_before_is_not_taken_for_the_new_one(ground: Ground) -> None:
    """While the new revision starts, the old one answers: that is creating, not ready."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.google.run.start_s = 600
        ground.apply(entry, spec_of(gateway={"text_prompt": "Other."}))
        assert ground.provider().status(entry.ref).state is State.CREATING


def test_a_container_that_ends_at_once_has_failed(ground: Ground, google: Google) -> None:
    """A gateway that refuses its settings: Google's words in the status, the gateway's own in the log."""
    google.run.runs_at_once = True
    broken = spec_of(env={"PLEXCTL_HEARTBEAT_S": "never"})
    with ground.begun(broken) as entry:
        ground.apply(entry, broken)
        until(lambda: ground.provider().status(entry.ref).state is State.FAILED, "its failure")
        assert "failed to start" in ground.provider().status(entry.ref).detail
        until(
            lambda: any("PLEXCTL_HEARTBEAT_S" in one.text for one in _log(ground, entry.ref)), "the gateway's own words"
        )


@pytest.mark.parametrize(
    ("message", "error"),
    [
        ("Quota exceeded for total allowable count of GPUs per project per region.", PreflightError),
        ("Image 'x' not found.", ProviderError),
        ("Secret projects/1/secrets/x/versions/latest was not found", ProviderError),
    ],
)
def test_why_a_revision_failed_has_a_class_of_its_own(ground: Ground, message: str, error: type[PlexError]) -> None:
    """What no waiting mends is raised by the status; the destroy that follows leaves nothing."""
    ground.google.run.failure = {"message": message}
    with ground.begun() as entry:
        ground.apply(entry)
        with pytest.raises(error, match="could not start") as caught:
            ground.provider().status(entry.ref)
        assert caught.value.hint
        ground.provider().destroy(entry.ref, everything=True)
    assert not ground.google.books.services


def test_a_secret_whose_account_is_not_let_in_fails_the_revision(ground: Ground, google: Google) -> None:
    """The loopback looks as Google does: without the right to read it there is no start."""
    with ground.begun() as entry:
        ground.apply(entry)
        google.books.policies = {key: one for key, one in google.books.policies.items() if "secrets" not in key}
        service = ground.service()
        service.revisions.clear()
        google.run._begin_revision(service)
        with pytest.raises(ProviderError, match="secret"):
            ground.provider().status(entry.ref)


@pytest.mark.parametrize("pattern", ["*.services.delete", "*.buckets.delete", "*.packages.delete", "*.secrets.delete"])
def test_a_delete_without_effect_is_no_success(ground: Ground, pattern: str) -> None:
    """Each kind of thing is read back."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.google.fail(Fault(pattern, How.IGNORED, times=1))
        with pytest.raises(ProviderError, match="still there"):
            ground.provider().destroy(entry.ref, everything=True)
        ground.provider().destroy(entry.ref, everything=True)
    assert not ground.google.books.services


def test_a_stop_without_effect_is_no_success(ground: Ground) -> None:
    """The service must say itself that it is disabled."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.google.fail(Fault("*.services.patch", How.IGNORED, times=1))
        with pytest.raises(ProviderError, match="may still bill"):
            ground.provider().stop(entry.ref)


def test_folders_of_a_bucket_go_too(ground: Ground, google: Google) -> None:
    """A bucket with real folders is deleted from the deepest one up."""
    with ground.begun() as entry:
        ground.apply(entry)
        name = f"{entry.ref.label}-weights"
        google.books.objects[name] = {f"hub/blobs/{number}": b"x" for number in range(7)}
        google.books.folders[name] = ["hub/", "hub/blobs/", "hub/blobs/tmp/", "logs/"]
        ground.provider().destroy(entry.ref)
    assert name not in google.books.buckets


def test_a_right_to_the_users_own_bucket_is_given_back(ground: Ground, google: Google) -> None:
    """It is added once, and taken away by the destroy; the bucket and what is in it stay."""
    _own_bucket(google, [])
    spec = spec_of(cloudrun={"bucket": "my-weights"})
    with ground.begun(spec) as entry:
        ground.apply(entry, spec)
        assert google.books.policies["b/my-weights"]["bindings"][0]["role"] == "roles/storage.objectUser"
        removed = ground.provider().destroy(entry.ref).removed
    assert ("weights-access", "my-weights") in [(one.kind, one.name) for one in removed]
    assert google.books.policies["b/my-weights"]["bindings"] == []
    assert google.books.objects["my-weights"] == {"theirs": b"x"}


def test_a_right_that_was_there_before_stays(ground: Ground, google: Google) -> None:
    """What plexctl did not add it does not take away."""
    member = f"serviceAccount:{google.books.number}-compute@developer.gserviceaccount.com"
    theirs: list[dict[str, object]] = [{"role": "roles/storage.objectUser", "members": [member]}]
    _own_bucket(google, theirs)
    spec = spec_of(cloudrun={"bucket": "my-weights"})
    with ground.begun(spec) as entry:
        ground.apply(entry, spec)
        ground.provider().destroy(entry.ref, everything=True)
    assert google.books.policies["b/my-weights"]["bindings"] == theirs


def test_a_right_that_another_service_needs_is_kept_and_said(ground: Ground, google: Google) -> None:
    """Two deployments with one bucket: the first to go leaves the right to the other."""
    _own_bucket(google, [])
    first, second = (spec_of(name=name, cloudrun={"bucket": "my-weights"}) for name in ("one", "two"))
    with ground.begun(first) as entry, ground.begun(second) as other:
        ground.apply(entry, first)
        ground.apply(other, second)
        kept = ground.provider().destroy(entry.ref, everything=True).kept
        assert [one.why for one in kept if one.kind == "weights-access"] == [f"{other.ref.label} uses the bucket too"]
    assert google.books.policies["b/my-weights"]["bindings"]


def test_a_name_that_somebody_took_is_a_conflict(ground: Ground) -> None:
    """A service of our name without our labels is neither changed nor deleted."""
    with ground.begun() as entry:
        ground.apply(entry)
        ground.service().body["labels"] = {}
        with pytest.raises(ConflictError):
            ground.apply(entry)
        with pytest.raises(ProviderError, match="without plexctl's label"):
            ground.provider().destroy(entry.ref, everything=True)
        assert ground.service().label == entry.ref.label


def _own_bucket(google: Google, bindings: list[dict[str, object]]) -> None:
    google.books.buckets["my-weights"] = {"name": "my-weights", "location": "EU"}
    google.books.objects["my-weights"] = {"theirs": b"x"}
    google.books.policies["b/my-weights"] = {"bindings": bindings, "etag": "abcd"}


def _log(ground: Ground, ref: Ref) -> list[LogLine]:
    return list(ground.provider().logs(ref, follow=False, since=None, tail=None))
