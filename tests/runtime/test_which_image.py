"""Which image a deployment runs, by what the journal knows. No engine is asked here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.process import Plexctl

from plexctl.errors import UsageError
from plexctl.flows import images
from plexctl.flows.session import Session
from plexctl.images import PROFILES
from plexctl.journal import ImageRecord
from plexctl.model import Offer
from plexctl.output import Output
from plexctl.spec import Image, Local, Spec

NOW = 1_800_000_000.0
SPEC = Spec(provider="runpod", engine="echo")
OFFER = Offer("runpod", "L40S", 1, None, None, "a sample", None)
HERE = "registry.invalid/you/voice"


def digest(letter: str) -> str:
    """Return a digest of one letter."""
    return f"sha256:{letter * 64}"


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., Session]:
    """Return a function that records images and gives the session."""

    def write(*records: ImageRecord) -> Session:
        session = Session(tmp_path, {}, Output(), now=lambda: NOW)
        with session.journal() as journal:
            for one in records:
                journal.record_image(one)
        return session

    return write


def pushed(letter: str, profile: str = "echo", repository: str = HERE, after_s: float = 0) -> ImageRecord:
    """Return an image that was pushed."""
    name = f"{repository}:{profile}-{letter}"
    return ImageRecord(profile, name, digest(letter), digest(letter), "c0ffee", NOW, NOW + after_s)


def test_the_newest_that_was_pushed_for_the_profile_is_used_by_its_digest(record: Callable[..., Session]) -> None:
    """Not an older one, not another profile's, not one that was only built."""
    built = ImageRecord("echo", f"{HERE}:echo-d", digest("d"), None, "c0ffee", NOW + 99)
    session = record(pushed("a"), pushed("b", after_s=5), pushed("c", "cu121", after_s=9), built)
    assert images.with_pushed_image(session, SPEC, OFFER).image.name == f"{HERE}@{digest('b')}"
    assert images.with_pushed_image(session, Spec(engine="personaplex"), OFFER).image.name == f"{HERE}@{digest('c')}"


def test_a_repository_that_is_named_is_kept_to(record: Callable[..., Session]) -> None:
    """An image that was pushed to another one is not taken in its place."""
    session = record(pushed("a"), pushed("b", repository="registry.invalid/they/voice", after_s=5))
    own = Spec(engine="echo", image=Image(repository=HERE))
    assert images.with_pushed_image(session, own, OFFER).image.name == f"{HERE}@{digest('a')}"
    other = Spec(engine="echo", image=Image(repository="registry.invalid/none"))
    assert images.with_pushed_image(session, other, OFFER) is other


def test_an_image_that_is_named_is_left_alone(record: Callable[..., Session]) -> None:
    """The user's word stands; where nothing was pushed nothing is named, and no journal is made by looking."""
    named = Spec(image=Image(name="you/own:x"))
    assert images.with_pushed_image(record(pushed("a")), named, OFFER) is named


def test_what_was_pushed_is_what_is_planned(plexctl: Plexctl) -> None:
    """`plan` and `render` name it by its digest, as a deploy will; on this machine nothing is pulled unasked."""
    with Session(plexctl.home, {}, Output()).journal() as journal:
        journal.record_image(pushed("a"))
    argv = ("-p", "runpod", "--engine", "echo", "--json")
    planned = plexctl.ok("plan", *argv).data["resources"][0]["body"]["json"]["image"]
    rendered = json.loads(plexctl.ok("render", *argv).data["files"]["create-pod.json"])["image"]
    assert planned == rendered == f"{HERE}@{digest('a')}"
    local = Offer("local", None, 0, None, 0.0, "this machine", None)
    here = Spec(provider="local", engine="echo")
    assert images.with_pushed_image(Session(plexctl.home, {}, Output()), here, local) is here


def test_looking_makes_no_journal(tmp_path: Path) -> None:
    """A plan touches nothing."""
    session = Session(tmp_path / "home", {}, Output())
    assert images.with_pushed_image(session, SPEC, OFFER) is SPEC
    assert images.recorded(session) == []
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("spec", "runs_here"),
    [
        (SPEC, False),
        (Spec(provider="local", local=Local(runtime="docker")), True),
        (Spec(provider="ssh", local=Local(runtime="docker")), False),
    ],
)
def test_only_a_container_of_this_machine_is_built_for_here(spec: Spec, runs_here: bool) -> None:  # noqa: FBT001
    """A process needs no image, and other providers pull one."""
    assert images.runs_here(spec) is runs_here


def test_names_and_hash_of_what_would_be_built() -> None:
    """Profile and version for a tag, the user's repository beside the local name, and the base in the hash."""
    plain = images.lay_out(SPEC, images.Order(PROFILES["echo"]))
    assert len(plain.names) == 1
    assert plain.names[0].startswith("plexctl/personaplex:echo-")
    own = Spec(image=Image(repository=HERE, base="registry.invalid/base:1"))
    other = images.lay_out(own, images.Order(PROFILES["echo"], tag="mine"))
    assert other.names == ("plexctl/personaplex:mine", f"{HERE}:mine")
    assert other.build_args == {"BASE_IMAGE": "registry.invalid/base:1"}
    assert other.context != plain.context
    assert "Dockerfile" in plain.files


def test_a_push_needs_to_know_where() -> None:
    """Said before anything is built."""
    with pytest.raises(UsageError, match="where to push") as caught:
        images.lay_out(SPEC, images.Order(PROFILES["echo"], push=True))
    assert "--repository" in str(caught.value.hint)


def test_a_dry_run_says_what_would_be_built_and_asks_nobody(plexctl: Plexctl) -> None:
    """Names, base and files; no engine is needed, nothing is made."""
    argv = ("image", "build", "--gpu", "B200", "--push", "--repository", HERE, "--dry-run")
    data = plexctl.ok(*argv, "--json").data
    assert (data["profile"], data["dry_run"], data["changed"]) == ("cu128", True, False)
    assert "Dockerfile" in data["files"]
    words = plexctl.ok(*argv).stdout
    assert f"would push it {HERE}:cu128-" in words
    assert "nothing was done" in words
    assert not plexctl.home.exists()


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("image", "bulid"), 2, "build"),
        (("image", "build", "--profile", "cu999"), 2, "profile"),
        (("image", "build", "--engine", "echo", "--push"), 2, "--repository"),
        (("image", "build", "--gpu", "V100"), 6, "no image can serve"),
        (("image", "build", "--gpu", "L40SS"), 2, "L40S"),
    ],
)
def test_what_cannot_be_built_is_said(plexctl: Plexctl, argv: tuple[str, ...], code: int, words: str) -> None:
    """A slip in a word, a profile that is none, nowhere to push, a GPU that no torch has kernels for."""
    done = plexctl(*argv, "--json")
    assert done.rc == code, done.document
    assert words in f"{done.document['error']['message']} {done.document['error']['hint']}"
