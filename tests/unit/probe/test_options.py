"""Options are checked before anything is opened, and a seed is never sent."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from plexctl.errors import UsageError
from plexctl.probe import DEFAULT_VOICE, Level, ProbeOptions


def test_voice_and_prompt_always_a_seed_never() -> None:
    """Upstream hangs up without a voice or prompt, and on any seed."""
    options = ProbeOptions(url="ws://h/api/chat?seed=1&voice_prompt=x&a=b%20c", text_prompt="be kind & brief")
    assert parse_qs(options.chat.query) == {
        "a": ["b c"],
        "voice_prompt": [DEFAULT_VOICE],
        "text_prompt": ["be kind & brief"],
    }


@pytest.mark.parametrize(
    ("url", "health"),
    [
        ("http://h", "http://h/health"),
        ("wss://h/ws/chat", "https://h/health"),
        ("https://h/behind/api/chat", "https://h/behind/health"),
        ("https://h/else", "https://h/health"),
    ],
)
def test_health_is_beside_the_chat_path(url: str, health: str) -> None:
    """A gateway behind a path prefix is found too."""
    assert ProbeOptions(url=url).health.url() == health


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://h"},
        {"level": "everything"},
        {"voice": ""},
        {"text_prompt": "  "},
        {"timeout_s": 0},
        {"handshake_timeout_s": -1},
        {"seconds": 0},
        {"seconds": 1e9},
        {"sessions": 0},
    ],
)
def test_what_cannot_work_is_a_usage_error(wrong: dict[str, Any]) -> None:
    """Each option has its bounds."""
    with pytest.raises(UsageError):
        ProbeOptions(**{"url": "http://h", **wrong})


def test_levels_are_in_order() -> None:
    """Each level includes the ones before it."""
    assert Level.AUDIO.includes(Level.UPGRADE)
    assert not Level.CONNECT.includes(Level.UPGRADE)


def test_a_recording_must_be_a_voice(tmp_path: Path) -> None:
    """A missing file and another format are the user's mistake; the canned voice is none."""
    (tmp_path / "voice.wav").write_bytes(b"RIFF....WAVE")
    for name in ("missing.opus", "voice.wav"):
        with pytest.raises(UsageError):
            ProbeOptions(url="http://h", recording=tmp_path / name).load_recording()
    assert ProbeOptions(url="http://h").load_recording().duration_s > 5


def test_importing_the_probe_loads_nothing_heavy() -> None:
    """Asyncio, ssl and the protocol libraries come with the first probe, not before."""
    code = "import sys, plexctl.probe; print([m for m in ('asyncio','ssl','h11','websockets') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
