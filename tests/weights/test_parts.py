"""The pure parts of the fetch: words, patience, meanings, messages, and the disk."""

from __future__ import annotations

import errno
from http.client import HTTPMessage
from pathlib import Path
from urllib.error import URLError

import pytest
from tests.weights.world import COMMIT

from plexctl.gateway.weights.errors import Cause, FetchError, error_of, refusal
from plexctl.gateway.weights.fetch import MARGIN_BYTES, refuse_small_disk
from plexctl.gateway.weights.messages import Done, Failed, Message, Note, Progress, decode, encode
from plexctl.gateway.weights.meter import Meter, in_words
from plexctl.gateway.weights.patience import Patience

GB = 10**9
TOTAL = int(17.2 * GB)


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
