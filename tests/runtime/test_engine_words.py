"""What the SDK raises and an engine says, as plexctl's errors and figures. No engine is asked here."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import docker.errors
import pytest
import requests.exceptions
import urllib3.exceptions

from plexctl.errors import (
    ConfigurationError,
    ConflictError,
    CredentialsError,
    NotFoundError,
    PlexError,
    PreflightError,
    ProviderError,
)
from plexctl.images.archive import context_hash, tar_of
from plexctl.images.engine import engine_address, is_on_this_machine, split_reference
from plexctl.images.engine_errors import EngineLostError, engine_errors, from_words
from plexctl.images.events import Event, follow_build, follow_transfer

DIGEST = "sha256:" + "d" * 64


def unheard(_: str) -> None:
    """Take progress that no test looks at."""


def below(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    """Yield a class and all below it."""
    yield kind
    for one in kind.__subclasses__():
        yield from below(one)


ROOTS = (docker.errors.DockerException, requests.exceptions.RequestException, urllib3.exceptions.HTTPError)
ARGUMENTS: tuple[tuple[object, ...], ...] = (
    ("no luck",),
    (1, 2),
    (None, "no luck"),
    ("no luck", None),
    (None, None, "no luck"),
    (None, None, None, "no luck"),
    ("no luck", "{", 0),
    ("a", 1, "b", "c", "no luck"),
    (SimpleNamespace(length_remaining=0, tell=int), b"x"),
)
SDK_ERRORS = sorted({one for root in ROOTS for one in below(root)}, key=lambda one: (one.__module__, one.__name__))


def made(kind: type[BaseException]) -> BaseException:
    """Make an error of a kind with whatever arguments it takes and can be shown with."""
    for arguments in ARGUMENTS:
        try:
            one = kind(*arguments)
            repr(one), str(one)
        except (TypeError, AttributeError):
            continue
        return one
    raise AssertionError(f"{kind} takes none of these arguments")


@pytest.mark.parametrize("kind", SDK_ERRORS, ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_whatever_the_sdk_raises_is_one_of_ours(kind: type[BaseException]) -> None:
    """The map is total, and the cause is kept."""
    cause = made(kind)
    with pytest.raises(PlexError) as caught, engine_errors("do it"):
        raise cause
    assert isinstance(caught.value, ProviderError | NotFoundError)
    assert caught.value.message.startswith("cannot do it: ")
    assert caught.value.__cause__ is cause


@pytest.mark.parametrize("cause", [ValueError("no JSON"), OSError("no luck"), TimeoutError()])
def test_a_request_without_an_answer_is_lost(cause: Exception) -> None:
    """Whether it was carried out is not known: whoever asks looks it up."""
    with pytest.raises(EngineLostError), engine_errors("do it"):
        raise cause


@pytest.mark.parametrize(
    ("cause", "words"),
    [
        (FileNotFoundError(2, "x"), "no such socket"),
        (ConnectionRefusedError(111, "x"), "nobody listens"),
        (PermissionError(13, "x"), "you may not use it"),
    ],
)
def test_an_engine_that_is_not_there_is_a_matter_of_settings(cause: OSError, words: str) -> None:
    """Deep inside what the libraries make of it is what the system said; each has its own way out."""
    wrapped = requests.exceptions.ConnectionError(urllib3.exceptions.ProtocolError("aborted", cause))
    with pytest.raises(ConfigurationError, match=words) as caught, engine_errors("use the engine"):
        raise docker.errors.DockerException(f"Error while fetching server API version: {wrapped}") from wrapped
    assert caught.value.hint


def test_bugs_stay_bugs() -> None:
    """What is nobody's word is not dressed up."""
    with pytest.raises(ZeroDivisionError), engine_errors("divide"):
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("words", "status", "kind"),
    [
        ("write /var/lib/x: no space left on device", 500, PreflightError),
        ("driver failed: Bind for 127.0.0.1:8998 failed: port is already allocated", 500, ConflictError),
        ("listen tcp4 127.0.0.1:8998: bind: address already in use", 500, ConflictError),
        ('Conflict. The container name "/x" is already in use by container "y"', 409, ConflictError),
        ("unauthorized: authentication required", None, CredentialsError),
        ("pull access denied for x, repository does not exist or may require 'docker login'", 404, CredentialsError),
        ("errors: denied: requested access to the resource is denied", None, CredentialsError),
        ("manifest for x:y not found: manifest unknown: manifest unknown", 404, NotFoundError),
        ("No such image: x:latest", 404, NotFoundError),
        ("x: image not known", 500, NotFoundError),
        ("no such container", 404, NotFoundError),
        ("nope", 401, CredentialsError),
        ("nope", 403, CredentialsError),
        ("nope", 507, PreflightError),
        ("OCI runtime error: permission denied", 500, ProviderError),
        ("something else", 500, ProviderError),
        ("something else", None, ProviderError),
    ],
)
def test_an_engines_words_are_told_apart(words: str, status: int | None, kind: type[PlexError]) -> None:
    """By words first, since engines put most reasons into one status."""
    error = from_words("do it", words, status)
    assert type(error) is kind
    assert words in error.message


def test_a_build_reports_its_steps_and_names_the_one_that_failed() -> None:
    """Docker's and Podman's ways to count; the last words of the step go with the error."""
    told: list[str] = []
    events: list[Event] = [
        {"stream": "Step 1/3 : FROM debian\n"},
        {"stream": " ---> abc\n"},
        {"stream": "[2/2] STEP 2/3: RUN false\n"},
        {"stream": "one\n"},
        {"stream": "two\n"},
        {"errorDetail": {"message": "exit status 1\n"}, "error": "exit status 1\n"},
    ]
    with pytest.raises(ProviderError, match=r"step 2/3, RUN false: exit status 1; it said: one \| two") as caught:
        follow_build(events, told.append)
    assert told == ["building: 1/3 FROM debian", "building: 2/3 RUN false"]
    assert caught.value.data == {"log": ["one", "two"]}


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        ("no space left on device", PreflightError),
        ('building at STEP "RUN echo denied: access denied": exit status 1', ProviderError),
    ],
)
def test_a_failed_build_is_the_providers_unless_the_disk_is_full(words: str, kind: type[PlexError]) -> None:
    """What a command of the Dockerfile prints is not the engine's verdict."""
    with pytest.raises(kind) as caught:
        follow_build([{"error": words}], unheard)
    assert type(caught.value) is kind


def test_layers_are_counted_and_the_digest_is_heard() -> None:
    """As Docker (`aux`) and Podman (`digest:` in a line) tell it; a failure is the registry's word."""
    told: list[str] = []
    events = [
        {"status": "Preparing", "progressDetail": {}, "id": "a"},
        {"status": "Pushing", "progressDetail": {"current": 1}, "id": "b"},
        {"status": "Pushed", "progressDetail": {}, "id": "a"},
        {"status": "Layer already exists", "progressDetail": {}, "id": "b"},
    ]
    assert follow_transfer([*events, {"aux": {"Tag": "x", "Digest": DIGEST}}], "push x", told.append) == DIGEST
    assert told[-1] == "push x: 2 of 2 layers"
    assert follow_transfer([{"status": f"x: digest: {DIGEST} size: 1"}], "push x", unheard) == DIGEST
    assert follow_transfer(events, "push x", unheard) is None
    with pytest.raises(CredentialsError, match="cannot push x: unauthorized"):
        follow_transfer([{"errorDetail": {"message": "unauthorized"}, "error": "unauthorized"}], "push x", unheard)


def test_a_context_is_the_same_to_the_byte() -> None:
    """Whatever the order of its files: no times, no owners, scripts executable."""
    files = {"run.sh": "#!/bin/sh\n", "Dockerfile": "FROM scratch\n"}
    packed = tar_of(files)
    assert packed == tar_of(dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = archive.getmembers()
    assert [(one.name, one.mode, one.mtime, one.uid) for one in members] == [
        ("Dockerfile", 0o644, 0, 0),
        ("run.sh", 0o755, 0, 0),
    ]


def test_everything_that_decides_a_build_is_in_its_hash() -> None:
    """A file's text, its name, and an argument."""
    hashes = {
        context_hash({"a": "x"}, {}),
        context_hash({"a": "y"}, {}),
        context_hash({"b": "x"}, {}),
        context_hash({"a": "x"}, {"BASE_IMAGE": "z"}),
    }
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("you/voice", ("you/voice", "latest")),
        ("you/voice:x", ("you/voice", "x")),
        ("127.0.0.1:5000/you/voice", ("127.0.0.1:5000/you/voice", "latest")),
        ("127.0.0.1:5000/you/voice:x", ("127.0.0.1:5000/you/voice", "x")),
        (f"ghcr.io/you/voice@{DIGEST}", ("ghcr.io/you/voice", DIGEST)),
        (f"ghcr.io/you/voice:x@{DIGEST}", ("ghcr.io/you/voice", DIGEST)),
    ],
)
def test_a_reference_is_taken_apart(reference: str, parts: tuple[str, str]) -> None:
    """A registry's port is no tag, and a digest outranks one."""
    assert split_reference(reference) == parts


def test_the_engine_is_where_it_was_named_or_usually_is(tmp_path: Path) -> None:
    """DOCKER_HOST first; then sockets that are there; else what was looked for is told."""
    assert engine_address({"DOCKER_HOST": "tcp://127.0.0.1:2375"}) == "tcp://127.0.0.1:2375"
    folder = tmp_path / "podman"
    folder.mkdir()
    if any(path.exists() for path in (Path("/var/run/docker.sock"), Path("/run/podman/podman.sock"))):
        pytest.skip("this machine has an engine of its own")
    with pytest.raises(ConfigurationError, match=r"podman\.sock"):
        engine_address({"XDG_RUNTIME_DIR": str(tmp_path)})
    (folder / "podman.sock").touch()
    assert engine_address({"XDG_RUNTIME_DIR": str(tmp_path)}) == f"unix://{folder}/podman.sock"


@pytest.mark.parametrize(
    ("address", "is_here"),
    [
        ("unix:///run/podman/podman.sock", True),
        ("npipe:////./pipe/docker_engine", True),
        ("tcp://127.0.0.1:2375", True),
        ("tcp://localhost:2375", True),
        ("tcp://192.0.2.7:2376", False),
        ("ssh://you@gpu.example.com", False),
    ],
)
def test_another_machines_loopback_is_not_ours(address: str, is_here: bool) -> None:  # noqa: FBT001
    """What an engine elsewhere publishes on its loopback cannot be reached."""
    assert is_on_this_machine(address) is is_here
