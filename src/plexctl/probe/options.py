"""What to probe and how far to go. No I/O but reading the recording."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlencode

from plexctl.errors import UsageError
from plexctl.secret import Secret
from plexctl.voice import OggError, OpusError, Recording
from plexctl.wire import SYSTEM, Endpoint, Trust

DEFAULT_VOICE = "NATF2.pt"
DEFAULT_TEXT_PROMPT = "You are a friendly voice assistant. Answer briefly and kindly."
"""Short on purpose: the server takes 20 to 30 ms for each of its pieces before it greets."""
CHAT_PATH = "/api/chat"
_CHAT_PATHS = (CHAT_PATH, "/ws/chat")
_OURS = frozenset({"voice_prompt", "text_prompt", "seed"})
_CANNED = Path(__file__).with_name("voice.opus")
_MAX_RECORDING_BYTES = 64 * 1024 * 1024
_LONGEST_S = 3_600.0
_MOST_SESSIONS = 1_000


class Level(StrEnum):
    """How far a probe goes. Only CONNECT leaves a bare PersonaPlex server untouched.

    There, every WebSocket overwrites the voice and prompt that all callers share (server.py:164-171 at 3428dfd).
    """

    CONNECT = "connect"
    UPGRADE = "upgrade"
    HANDSHAKE = "handshake"
    AUDIO = "audio"

    def includes(self, other: Level) -> bool:
        """Tell whether a probe of this level comes to the other one."""
        levels = list(Level)
        return levels.index(self) >= levels.index(other)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """One probe. Raises UsageError for what can never work.

    `timeout_s` limits each stage up to the upgrade; `handshake_timeout_s` the wait for the server's 0x00, which
    upstream sends only after its prompts are read (2 to 20 s). `seconds` of audio are sent from `recording`
    (Ogg/Opus, mono; the canned voice without one), repeated when it is shorter.
    """

    url: str
    token: Secret | None = None
    voice: str = DEFAULT_VOICE
    text_prompt: str = DEFAULT_TEXT_PROMPT
    level: Level = Level.AUDIO
    timeout_s: float = 10.0
    handshake_timeout_s: float = 90.0
    seconds: float = 5.0
    recording: Path | None = None
    trust: Trust = SYSTEM
    sessions: int = 1

    def __post_init__(self) -> None:
        Endpoint.parse(self.url)
        if self.level not in list(Level):
            raise UsageError(f"no level {self.level!r}", hint=f"one of {', '.join(Level)}")
        if not self.voice or not self.text_prompt.strip():
            raise UsageError("an empty voice or text prompt makes the server hang up", hint="leave the flag out")
        if self.timeout_s <= 0 or self.handshake_timeout_s <= 0:
            raise UsageError("a timeout must be more than 0 s")
        if not 0 < self.seconds <= _LONGEST_S:
            raise UsageError(f"cannot send {self.seconds:g} s of audio", hint=f"at most {_LONGEST_S:g} s")
        if not 1 <= self.sessions <= _MOST_SESSIONS:
            raise UsageError(f"cannot hold {self.sessions} sessions", hint=f"1 to {_MOST_SESSIONS}")

    @property
    def chat(self) -> Endpoint:
        """Where the conversation is: voice and prompt always, a seed never."""
        endpoint = Endpoint.parse(self.url, default_path=CHAT_PATH)
        kept = [pair for pair in parse_qsl(endpoint.query, keep_blank_values=True) if pair[0] not in _OURS]
        pairs = [*kept, ("voice_prompt", self.voice), ("text_prompt", self.text_prompt)]
        return endpoint.at(endpoint.path, urlencode(pairs, quote_via=quote))

    @property
    def health(self) -> Endpoint:
        """Where a gateway tells its state: beside the chat path."""
        path = self.chat.path
        prefix = next((path.removesuffix(end) for end in _CHAT_PATHS if path.endswith(end)), "")
        return self.chat.at(f"{prefix}/health")

    def load_recording(self) -> Recording:
        """Read the recording. Raises UsageError for a file that a voice server would not understand."""
        path = self.recording or _CANNED
        try:
            if path.stat().st_size > _MAX_RECORDING_BYTES:
                raise UsageError(f"{path} is too long a recording", hint="64 MiB are enough for hours of voice")
            return Recording.from_ogg(path.read_bytes())
        except OSError as error:
            raise UsageError(f"cannot read {path}: {error.strerror or error}") from error
        except (OggError, OpusError) as error:
            hint = "make one with: opusenc --downmix-mono --raw-rate 24000 voice.wav voice.opus"
            raise UsageError(f"{path} is not a voice that can be sent: {error}", hint=hint) from error
