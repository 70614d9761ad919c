"""The pure parts of the gateway: places, backoff, deadlines, lifetime, health, access, words, logs, progress."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from tests.gateway.wire import page

from plexctl.gateway.chat import ParameterError, Wish, read_wish
from plexctl.gateway.engines import Progress, engine_named
from plexctl.gateway.engines.echo.speech import Echo
from plexctl.gateway.engines.progress import progress_in
from plexctl.gateway.logbook import MAX_LINE, LineSplitter, Logbook
from plexctl.gateway.preamble import Preamble
from plexctl.gateway.settings import Limits, Settings

LIMITS = Limits(
    handshake_s=120,
    silence_s=30,
    heartbeat_s=10,
    session_s=None,
    drain_s=20,
    idle_s=None,
    expires_at=None,
    caller_backlog_s=10,
    caller_backlog_bytes=1000,
)


def test_lines_are_cut_at_newlines_and_progress_bars_and_bounded() -> None:
    """A carriage return ends a line too; an endless line is given once, cut."""
    splitter = LineSplitter(max_bytes=10)
    assert splitter.feed(b"one\ntw") == ["one"]
    assert splitter.feed(b"o\rthree\r\n") == ["two", "three"]
    assert splitter.feed(b"x" * 25) == ["x" * 10]
    assert splitter.feed(b"x" * 25 + b"\nnext") == []
    assert splitter.rest() == ["next"]


def test_the_logbook_is_bounded_and_blots_secrets_out() -> None:
    """Old lines fall out, long ones are cut, secrets are stars, a dead stream is borne."""
    stream = io.StringIO()
    book = Logbook(stream, secrets=["canary"], max_lines=2, now=lambda: 0.0)
    for text in ("one", "my canary sings", "y" * 5000):
        book.write("test", text)
    assert book.tail(10)[0] == "1970-01-01T00:00:00Z test my *** sings"
    assert len(book.tail(10)) == 2
    assert len(book.tail(1)[0]) < MAX_LINE + 50
    assert book.tail(0) == []
    stream.close()
    book.write("test", "after the end")
    assert "after the end" in book.tail(1)[0]


async def test_a_follower_that_does_not_read_loses_lines_not_memory() -> None:
    """A follower's queue is bounded and keeps the newest."""
    book = Logbook(io.StringIO())
    queue = book.follow()
    for number in range(3000):
        book.write("test", str(number))
    assert queue.qsize() <= 1000
    assert queue.get_nowait().endswith(" 2000")
    book.unfollow(queue)


@pytest.mark.parametrize(
    ("line", "progress"),
    [
        ("[Info] loading moshi", Progress("loading", "language model")),
        ("\x1b[1;34m[Info]\x1b[0m retrieving voice prompts", Progress("downloading", "voices")),
        ("[Info] warming up the model", Progress("warming", "first frames")),
        ("model.safetensors:  43%|####3     | 7.2G/16.7G", Progress("downloading", "model.safetensors", 0.43)),
        ("nothing of note", None),
    ],
)
def test_lines_tell_the_progress(line: str, progress: Progress | None) -> None:
    """Upstream's words and the hub's bars become phases."""
    assert progress_in(line) == progress


@pytest.mark.parametrize(
    ("query", "wish"),
    [
        ({}, Wish("NATF2.pt", "default", has_seed=False)),
        ({"voice_prompt": ["NATM1.pt"], "seed": ["1", "2"]}, Wish("NATM1.pt", "default", has_seed=True)),
        ({"text_prompt": ["x" * 1000], "else": ["1"]}, Wish("NATF2.pt", "x" * 1000, has_seed=False)),
    ],
)
def test_wishes_are_read_with_defaults(query: dict[str, list[str]], wish: Wish) -> None:
    """What is missing is filled in, what is unknown is passed over."""
    assert read_wish(query, ["NATF2.pt", "NATM1.pt"], voice="NATF2.pt", text_prompt="default") == wish


def test_prompts_that_upstream_could_not_take_are_refused() -> None:
    """A prompt may have few letters and still be too long for the engine's request line."""
    with pytest.raises(ParameterError, match="encoded"):
        read_wish({"text_prompt": ["\U0001f600" * 900]}, ["a"], voice="a", text_prompt="b")


def test_the_preamble_keeps_headers_and_completes_a_cut_page() -> None:
    """Before the handshake only header pages count; a page cut by it is finished before messages pass untouched."""
    head, tags = page(body=b"OpusHead" + bytes(11)), page(body=b"OpusTags" + bytes(8))
    cut, later = page(serial=1), page(serial=2)
    preamble = Preamble()
    assert preamble.feed(head + tags + page(serial=9) + cut[:30]) == b""
    assert preamble.open() == head + tags
    assert not preamble.is_done
    assert preamble.feed(cut[30:] + later[:5]) == cut
    assert not preamble.is_done
    assert preamble.feed(later[5:]) == later
    assert preamble.is_done


def test_a_preamble_of_nonsense_is_dropped() -> None:
    """What is no Ogg leaves nothing behind."""
    preamble = Preamble()
    assert preamble.feed(b"no ogg at all") == b""
    assert preamble.open() == b""
    assert preamble.is_done


def test_echo_answers_each_page_and_says_its_prompt() -> None:
    """Pages come back byte for byte, with a word of the prompt for each second."""
    echo = Echo("hello there", is_slow=False)
    answers = [answer for _ in range(50) for answer in echo.hear(page())]
    assert [answer for answer in answers if answer[:1] == b"\x01"] == [b"\x01" + page()] * 50
    assert echo.heard_s == pytest.approx(1.0)
    assert echo.hear(b"nonsense") == []


def engine_settings(**variables: str) -> Settings:
    """Return settings for a PersonaPlex engine whose python is this file."""
    base = {"PLEXCTL_ENGINE_PYTHON": __file__, "PLEXCTL_TOKEN": "t", "HF_TOKEN": "hub", "NO_TORCH_COMPILE": "0"}
    return Settings.from_environment({**base, **variables})


def test_personaplex_runs_upstreams_server_with_its_flags(tmp_path: Path) -> None:
    """The argv and the variables that matter, by exact comparison."""
    command = engine_named("personaplex").command(engine_settings().engine, 4242)
    assert command.argv[0] == __file__
    assert Path(command.argv[1]).name == "upstream.py"
    assert command.argv[2:] == ("--host", "127.0.0.1", "--port", "4242", "--static", "none")
    assert command.environment["PYTHONUNBUFFERED"] == "1"
    assert command.environment["NO_TORCH_COMPILE"] == "1"
    assert command.environment["HF_TOKEN"] == "hub"
    assert "PLEXCTL_TOKEN" not in command.environment
    full = engine_settings(
        PLEXCTL_MODEL_REPO="me/mine",
        PLEXCTL_DEVICE="cuda:1",
        PLEXCTL_CPU_OFFLOAD="1",
        PLEXCTL_VOICE_DIR=str(tmp_path),
        PLEXCTL_ENGINE_SCRIPT=__file__,
        PLEXCTL_TORCH_COMPILE="1",
    )
    command = engine_named("personaplex").command(full.engine, 1)
    assert command.argv[2] == f"--script={__file__}"
    assert command.argv[9:] == (
        "--hf-repo", "me/mine", "--device", "cuda:1", "--cpu-offload", "--voice-prompt-dir", str(tmp_path),
    )  # fmt: skip
    assert "NO_TORCH_COMPILE" not in command.environment
