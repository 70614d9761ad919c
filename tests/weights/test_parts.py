"""The pure parts of the fetch: words, patience, meanings, messages, settings, and the engine's command."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from http.client import HTTPMessage
from pathlib import Path
from urllib.error import URLError

import pytest
from tests.weights.world import COMMIT

from plexctl.flows.health import parse_health
from plexctl.gateway.engines import engine_named, upstream
from plexctl.gateway.health import CAUSES, Download, EngineHealth, document
from plexctl.gateway.settings import EngineSettings, Settings
from plexctl.gateway.weights.cache import Cache
from plexctl.gateway.weights.child import command, health_of, skipped
from plexctl.gateway.weights.errors import Cause, FetchError, error_of, refusal
from plexctl.gateway.weights.fetch import MARGIN_BYTES, refuse_small_disk
from plexctl.gateway.weights.messages import Done, Failed, Message, Note, Progress, decode, encode
from plexctl.gateway.weights.meter import Meter, in_words
from plexctl.gateway.weights.patience import Patience
from plexctl.gateway.weights.request import DEFAULT_REPO, NAMES, request_in

GB = 10**9
TOTAL = int(17.2 * GB)


def settings(**variables: str) -> EngineSettings:
    """Return a PersonaPlex engine's settings."""
    base = {"PLEXCTL_ENGINE": "personaplex", "PLEXCTL_ENGINE_PYTHON": "/bin/sh", "PLEXCTL_TOKEN": "canary"}
    return Settings.from_environment(base | variables).engine


@pytest.mark.parametrize(
    ("done", "speed", "left", "words"),
    [
        (int(5.1 * GB), 240e6, 50.4, "weights: 5.1 of 17.2 GB, 240 MB/s, 50 s left"),
        (0, 0.0, None, "weights: 0.0 of 17.2 GB"),
        (GB, 1.234e6, 13_130.0, "weights: 1.0 of 17.2 GB, 1.23 MB/s, 3.6 h left"),
        (GB, 50e6, 324.0, "weights: 1.0 of 17.2 GB, 50 MB/s, 5 min left"),
        (TOTAL, 50e6, 0.0, "weights: 17.2 GB, checking"),
    ],
)
def test_a_download_in_words(done: int, speed: float, left: float | None, words: str) -> None:
    """What the progress line says."""
    assert in_words(done, TOTAL, speed, left) == words


def test_the_meter_never_goes_back_and_counts_only_what_came() -> None:
    """What was here does not count as speed, and what is fetched again does not count twice."""
    meter = Meter({"a": 1000, "b": 500}, {"a": 400})
    assert (meter.read(0.0).bytes_done, meter.read(0.0).bytes_per_second) == (400, 0)
    meter.reached("a", 600)
    first = meter.read(1.0)
    assert (first.bytes_done, first.bytes_per_second, first.seconds_left) == (600, 200, 4.5)
    meter.reached("a", 0)
    assert meter.read(2.0).bytes_done == 600
    meter.note = "the hub asks to wait 3 s"
    assert meter.read(2.0).phase.endswith(", the hub asks to wait 3 s")
    meter.finished("a")
    meter.finished("b")
    last = meter.read(3.0)
    assert (last.bytes_done, last.files_done, last.files_total) == (1500, 2, 2)
    assert "wait" in last.phase


def test_speed_is_that_of_the_last_seconds() -> None:
    """A fast beginning does not promise anything for long."""
    meter = Meter({"a": 10_000}, {})
    for second, position in enumerate([0, 5000, 5100, 5200, 5300, 5400, 5500, 5600]):
        meter.reached("a", position)
        meter.read(float(second))
    assert meter.read(7.0).bytes_per_second == 100


class Clock:
    """A clock that sleeping moves on."""

    def __init__(self) -> None:
        self.moment = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        """Return the moment."""
        return self.moment

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.slept.append(seconds)
        self.moment += seconds


def patient(limit_s: float, clock: Clock) -> Patience:
    """Return patience by that clock."""
    return Patience(limit_s, lambda *_: None, now=clock.now, sleep=clock.sleep)


def test_patience_doubles_its_pauses_and_ends() -> None:
    """0.2 s, doubled up to 10 s, until nothing has come for the limit; a byte starts it anew."""
    clock = Clock()
    patience = patient(30, clock)
    error = FetchError("cut", Cause.NETWORK, is_final=False)
    for _ in range(7):
        patience.wait(error)
    with pytest.raises(FetchError, match="cut"):
        patience.wait(error)
    assert clock.slept == [0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 10.0]
    patience.progressed()
    patience.wait(error)
    assert clock.slept[-1] == 0.2


def test_patience_does_as_it_is_told() -> None:
    """A Retry-After is obeyed and is no impatience; one too long, or an eleventh, is the end; so is a refusal."""
    clock = Clock()
    patience = patient(1, clock)
    for _ in range(10):
        patience.wait(FetchError("429", Cause.NETWORK, is_final=False, retry_after_s=60))
    with pytest.raises(FetchError, match="asks to wait 60 s"):
        patience.wait(FetchError("429", Cause.NETWORK, is_final=False, retry_after_s=60))
    with pytest.raises(FetchError, match="asks to wait 601 s"):
        patient(1, clock).wait(FetchError("429", Cause.NETWORK, is_final=False, retry_after_s=601))
    with pytest.raises(FetchError, match="no"):
        patient(1000, clock).wait(FetchError("no", None))
    assert clock.slept == [60.0] * 10


def headers(**fields: str) -> HTTPMessage:
    """Return headers of an answer."""
    message = HTTPMessage()
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    return message


@pytest.mark.parametrize(
    ("status", "fields", "has_token", "cause", "is_final"),
    [
        (401, {"X_Error_Code": "GatedRepo"}, False, Cause.CREDENTIALS, True),
        (401, {}, True, Cause.CREDENTIALS, True),
        (401, {"X_Error_Code": "RepoNotFound"}, True, None, True),
        (403, {"X_Error_Code": "GatedRepo"}, True, Cause.LICENCE, True),
        (403, {}, True, Cause.CREDENTIALS, True),
        (404, {"X_Error_Code": "RevisionNotFound"}, True, None, True),
        (404, {}, True, Cause.NETWORK, True),
        (408, {}, True, Cause.NETWORK, False),
        (429, {"Retry_After": "7"}, True, Cause.NETWORK, False),
        (503, {}, True, Cause.NETWORK, False),
    ],
)
def test_each_status_has_a_meaning(
    *,
    status: int,
    fields: dict[str, str],
    has_token: bool,
    cause: Cause | None,
    is_final: bool,
) -> None:
    """Whose business it is, and whether there is use in another try."""
    error = refusal(status, headers(**fields), has_token=has_token)
    assert (error.cause, error.is_final) == (cause, is_final)
    assert error.retry_after_s == (7.0 if "Retry_After" in fields else None)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (URLError(ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")), "(Connection refused)"),
        (URLError(OSError(errno.ENETUNREACH, "Network is unreachable")), "(Network is unreachable)"),
        (TimeoutError("timed out"), "did not answer in time"),
        (ConnectionResetError(errno.ECONNRESET, "reset"), "was cut"),
        (ValueError("https://storage.example/?X-Signature=secret"), "no model hub (ValueError)"),
    ],
)
def test_what_a_network_does_is_said_without_addresses(error: Exception, words: str) -> None:
    """An unknown error's text may hold a signed address, and is not repeated."""
    found = error_of(error, has_token=True)
    assert words in found.words
    assert "secret" not in found.words


@pytest.mark.parametrize(
    "message", [Progress("x", 1, 2, 3, 4.5, 6, 7), Progress("y"), Note("n"), Done(COMMIT), Failed("why", "disk")]
)
def test_messages_come_back(message: Message) -> None:
    """What one side writes the other reads."""
    assert decode(encode(message).encode()) == message


@pytest.mark.parametrize("line", [b"", b"warning: x", b"[]", b'{"kind": "done"}', b'{"kind": "x"}', b"\xff"])
def test_other_lines_are_no_messages(line: bytes) -> None:
    """A library that prints does no harm."""
    assert decode(line) is None


def test_a_disk_must_hold_what_is_missing_and_a_margin() -> None:
    """One byte too few is refused with both figures; nothing missing needs no room at all."""
    refuse_small_disk(GB, GB + MARGIN_BYTES, Path("/cache"))
    refuse_small_disk(0, 0, Path("/cache"))
    with pytest.raises(FetchError, match=r"/cache needs 1\.5 GB and has 1\.5 GB free") as caught:
        refuse_small_disk(GB, GB + MARGIN_BYTES - 1, Path("/cache"))
    assert caught.value.cause == Cause.DISK


def test_the_request_has_defaults() -> None:
    """The model is NVIDIA's, the revision the newest, the folder huggingface_hub's."""
    request = request_in({"HF_HOME": "/cache"})
    assert (request.repo, request.revision, request.branch) == (DEFAULT_REPO, "", "main")
    assert request.cache == Path("/cache/hub")
    assert request.patience_s == 120


def test_the_fetching_process_has_its_secrets_in_its_environment_only() -> None:
    """The gateway's own token stays with the gateway; the hub's is passed on, and never in the command line."""
    run = command(settings(HF_TOKEN="hf_canary", PLEXCTL_MODEL_REPO="me/mine", PLEXCTL_HUB_PATIENCE_S="7"))
    assert run.argv == (sys.executable, "-m", "plexctl.gateway.weights")
    assert run.environment["HF_TOKEN"] == "hf_canary"
    assert run.environment["PLEXCTL_HUB_PATIENCE_S"] == "7.0"
    assert "PLEXCTL_TOKEN" not in run.environment


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({}, None),
        ({"HF_HUB_OFFLINE": "0"}, None),
        ({"HF_HUB_OFFLINE": "True"}, "HF_HUB_OFFLINE"),
        ({"PLEXCTL_ENGINE_SCRIPT": __file__}, "another server"),
    ],
)
def test_where_nothing_is_fetched(variables: dict[str, str], words: str | None) -> None:
    """Offline by request, or for a server of which nobody knows what it reads."""
    why = skipped(settings(**variables))
    assert (why is None) is (words is None)
    assert words is None or words in (why or "")


def test_the_engine_gets_the_commit() -> None:
    """A revision is the launcher's first argument; without one, and for another script, there is none."""
    argv = engine_named("personaplex").command(settings(PLEXCTL_MODEL_REVISION=COMMIT), 1).argv
    assert argv[2:4] == (f"--revision={COMMIT}", "--host")
    assert "--revision" not in " ".join(engine_named("personaplex").command(settings(), 1).argv)


@pytest.mark.parametrize("call", ["hub.hf_hub_download('a/b', 'c')", "hub.hf_hub_download('a/b', filename='c')"])
def test_the_launcher_reads_every_file_at_its_revision(tmp_path: Path, call: str) -> None:
    """Upstream names no revision, by position or by name; one that is named is left alone."""
    (tmp_path / "huggingface_hub.py").write_text(
        "def hf_hub_download(*given, **named): print(given, sorted(named.items()))\n"
    )
    package = tmp_path / "moshi"
    package.mkdir()
    (package / "__init__.py").touch()
    named = "hub.hf_hub_download('a/b', 'c', revision='d')"
    (package / "server.py").write_text(f"import sys, huggingface_hub as hub\n{call}\n{named}\nprint(sys.argv[1:])\n")
    with subprocess.Popen(
        [sys.executable, upstream.__file__, "--revision=abc", "--port", "1"],
        env={"PYTHONPATH": f"{tmp_path}:{':'.join(path for path in sys.path if 'site-packages' in path)}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = process.stdout.read().splitlines()
    assert "('revision', 'abc')" in lines[0]
    assert "('revision', 'd')" in lines[1]
    assert lines[2] == "['--port', '1']"


def test_health_has_the_download_and_the_cli_reads_it() -> None:
    """What `/health` says of a download comes out as the progress line; older gateways say less, and are read too."""
    health = health_of(
        Progress("weights: 5.1 of 17.2 GB, 240 MB/s, 50 s left", int(5.1 * GB), TOTAL, 240_000_000, 50.4)
    )
    body = document(health, engines=1, busy=0, capacity=0, version="1", deployment="d")
    parsed = parse_health(json.dumps(body).encode())
    assert parsed is not None
    assert parsed.in_words() == "weights: 5.1 of 17.2 GB, 240 MB/s, 50 s left (30%)"
    assert (parsed.bytes_done, parsed.bytes_total) == (int(5.1 * GB), TOTAL)
    for name in ("cause", "bytes_done", "bytes_total", "bytes_per_second", "seconds_left"):
        del body[name]
    older = parse_health(json.dumps(body).encode())
    assert older is not None
    assert (older.cause, older.bytes_total, older.seconds_left) == (None, None, None)
    loading = parse_health(
        json.dumps(
            document(EngineHealth("loading", "model", 0.5), engines=1, busy=0, capacity=0, version="1", deployment="d")
        ).encode()
    )
    assert loading is not None
    assert loading.in_words() == "model 50%"
    assert EngineHealth().download == Download()
    assert {str(cause) for cause in Cause} <= set(CAUSES)


def test_a_marker_is_believed_only_while_nothing_has_changed(tmp_path: Path) -> None:
    """Another size, another time, a missing file or a marker of nonsense: then everything is looked at again."""
    cache = Cache(tmp_path, "me/mine")
    pointer = cache.pointer(COMMIT, NAMES[0])
    pointer.parent.mkdir(parents=True)
    pointer.write_text("{}")
    assert not cache.is_verified(COMMIT)
    cache.mark_verified(COMMIT, [NAMES[0]])
    assert cache.is_verified(COMMIT)
    pointer.write_text("{ }")
    assert not cache.is_verified(COMMIT)
    cache.mark_verified(COMMIT, [NAMES[0]])
    next((tmp_path / ".plexctl").rglob("*.json")).write_text("[]")
    assert not cache.is_verified(COMMIT)


def test_a_branch_is_remembered_as_huggingface_hub_does(tmp_path: Path) -> None:
    """The commit of a branch stands in refs; a commit is no branch; what is no commit is not believed."""
    cache = Cache(tmp_path, "me/mine")
    assert cache.last_commit("main") is None
    cache.remember("main", COMMIT)
    cache.remember(COMMIT, COMMIT)
    assert cache.last_commit("main") == COMMIT
    assert [path.name for path in (tmp_path / "models--me--mine" / "refs").iterdir()] == ["main"]
    (tmp_path / "models--me--mine" / "refs" / "main").write_text("nonsense")
    assert cache.last_commit("main") is None
