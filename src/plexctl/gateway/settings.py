"""The gateway's settings, read from the environment once. Nothing else in the gateway looks at the environment.

Every bad value is a SettingsError that names the variable and how to mend it. What it refuses: an open gateway
(no token) on anything but the loopback.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from plexctl.gateway.environment import Reader, is_loopback
from plexctl.gateway.environment import SettingsError as SettingsError  # noqa: PLC0414 - part of what this module offers
from plexctl.gateway.self_destruct import KEYS, Order, read_order
from plexctl.gateway.voices import DEFAULT_VOICE, voices_in

MAX_PROMPT_CHARACTERS = 1000
"""The limit of upstream's own web page."""
DEFAULT_TEXT_PROMPT = (
    "You are a friendly and patient teacher. Answer questions and give advice in clear, warm and short sentences."
)
ENGINE_NAMES = ("personaplex", "echo")
_DEFAULT_PORT = 8998
_MAX_PORT = 65535


@dataclass(frozen=True, slots=True)
class Listening:
    """Where callers come in: an address, or a listening socket inherited as `fd`."""

    host: str
    port: int
    fd: int | None
    published_on: str
    """The host's own address through which alone a container's port is reached; empty when `host` is reached."""
    has_tls: bool
    """True when the gateway serves TLS itself, with a certificate of its own making."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds; None means no limit."""

    handshake_s: float
    silence_s: float
    heartbeat_s: float
    session_s: float | None
    drain_s: float
    idle_s: float | None
    expires_at: float | None
    """Unix time."""
    caller_backlog_s: float
    """How long bytes may wait for a caller that does not read."""
    caller_backlog_bytes: int


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """What engines to run, and how."""

    name: str
    count: int
    capacity: int | None
    """Callers at once in one engine; None means what the engine says of itself."""
    start_timeout_s: float
    check_s: float
    """How often a ready engine is asked whether it still answers, and how long it may take to."""
    python: str
    script: str
    device: str
    model_repo: str
    model_revision: str
    hub_patience_s: float
    """How long the model hub may give neither an answer nor a byte before a start fails."""
    cpu_offload: bool
    torch_compile: bool
    voice_dir: Path | None
    pid_fd: int | None
    """Inherited by engines, so that its lock is held while any process of the deployment lives."""
    environment: Mapping[str, str] = field(repr=False)
    """What engines inherit: the gateway's own environment without the gateway's secrets."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that the environment says, checked."""

    deployment: str
    token: str = field(repr=False)
    """Empty means open."""
    voice: str
    text_prompt: str
    voices: tuple[str, ...]
    static: Path | None
    secrets: tuple[str, ...] = field(repr=False)
    """Values that no log line may show."""
    listening: Listening
    limits: Limits
    engine: EngineSettings
    self_destruct: Order | None
    """How the container ends when the gateway's time is over; None leaves it to whoever started it."""

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Return the settings in `environment`. Raises SettingsError."""
        read = Reader(environment)
        listening = _listening(read)
        token = _token(read, listening)
        engine = _engine(read)
        voices = voices_in(engine.voice_dir)
        voice = read.text("PLEXCTL_VOICE", DEFAULT_VOICE)
        if voice not in voices:
            raise SettingsError(f"PLEXCTL_VOICE={voice!r} is no known voice: use one of {', '.join(voices)}")
        return cls(
            deployment=read.text("PLEXCTL_DEPLOYMENT", "personaplex"),
            token=token,
            voice=voice,
            text_prompt=_text_prompt(read),
            voices=voices,
            static=read.folder("PLEXCTL_STATIC"),
            secrets=_secrets(read),
            listening=listening,
            limits=_limits(read),
            engine=engine,
            self_destruct=read_order(read),
        )


def _listening(read: Reader) -> Listening:
    name = "PLEXCTL_PORT" if read.text("PLEXCTL_PORT") else "PORT"
    port = read.whole(name, _DEFAULT_PORT, low=0, high=_MAX_PORT)
    return Listening(
        host=read.text("PLEXCTL_HOST", "0.0.0.0").strip("[]"),  # noqa: S104 - a container's default; open needs loopback
        port=_DEFAULT_PORT if port is None else port,
        fd=read.whole("PLEXCTL_LISTEN_FD", None, low=3, high=1 << 20),
        published_on=read.text("PLEXCTL_PUBLISHED_ON").strip("[]"),
        has_tls=bool(read.choice("PLEXCTL_TLS", ("self-signed",))),
    )


def refuse_open(host: str, published_on: str) -> None:
    """Raise SettingsError unless a gateway without a token may listen on `host`, published as it is."""
    if not is_loopback(published_on or host):
        raise SettingsError(
            f"PLEXCTL_TOKEN is empty and the gateway would listen on {host}: set a token, or PLEXCTL_HOST=127.0.0.1"
        )


def _token(read: Reader, listening: Listening) -> str:
    token = read.text("PLEXCTL_TOKEN")
    if not token and listening.fd is None:
        refuse_open(listening.host, listening.published_on)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise SettingsError("PLEXCTL_TOKEN has characters that no header carries: use letters, digits, '-', '_'")
    return token


def _secrets(read: Reader) -> tuple[str, ...]:
    """Return the values that no log may show: our own, the provider's, and those that PLEXCTL_SECRETS names."""
    names = ["PLEXCTL_TOKEN", "HF_TOKEN", *KEYS, *read.text("PLEXCTL_SECRETS").split(",")]
    values = {read.environment.get(name, "") for name in names}
    return tuple(sorted((value for value in values if value), key=len, reverse=True))


def _text_prompt(read: Reader) -> str:
    prompt = read.text("PLEXCTL_TEXT_PROMPT", DEFAULT_TEXT_PROMPT)
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise SettingsError(f"PLEXCTL_TEXT_PROMPT is over {MAX_PROMPT_CHARACTERS} characters: shorten it")
    return prompt


def _limits(read: Reader) -> Limits:
    return Limits(
        handshake_s=read.seconds("PLEXCTL_HANDSHAKE_TIMEOUT_S", None) or 120.0,
        silence_s=read.seconds("PLEXCTL_SILENCE_TIMEOUT_S", None) or 30.0,
        heartbeat_s=read.seconds("PLEXCTL_HEARTBEAT_S", None) or 10.0,
        session_s=read.seconds("PLEXCTL_MAX_SESSION_S", None),
        drain_s=read.seconds("PLEXCTL_DRAIN_TIMEOUT_S", None) or 20.0,
        idle_s=read.seconds("PLEXCTL_IDLE_TIMEOUT_S", None),
        expires_at=_moment(read),
        caller_backlog_s=10.0,
        caller_backlog_bytes=256 * 1024,
    )


def _moment(read: Reader) -> float | None:
    name = "PLEXCTL_EXPIRES_AT"
    raw = read.text(name)
    if not raw:
        return None
    try:
        return float(raw)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(raw)
    except ValueError:
        raise SettingsError(
            f"{name}={raw!r} is no moment: give ISO 8601 such as 2026-12-01T18:00:00Z, or Unix seconds"
        ) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _engine(read: Reader) -> EngineSettings:
    name = read.text("PLEXCTL_ENGINE", "personaplex")
    if name not in ENGINE_NAMES:
        raise SettingsError(f"PLEXCTL_ENGINE={name!r} is no known engine: use {' or '.join(ENGINE_NAMES)}")
    python = read.file("PLEXCTL_ENGINE_PYTHON")
    if name == "personaplex" and not python:
        raise SettingsError(
            "PLEXCTL_ENGINE_PYTHON is not set: give the path of the python of PersonaPlex's own environment"
        )
    return EngineSettings(
        name=name,
        count=_count(read),
        capacity=read.whole("PLEXCTL_ENGINE_CAPACITY", None, low=1, high=10_000),
        start_timeout_s=read.seconds("PLEXCTL_START_TIMEOUT_S", None) or 1800.0,
        check_s=read.seconds("PLEXCTL_ENGINE_CHECK_S", None) or 5.0,
        python=python,
        script=read.file("PLEXCTL_ENGINE_SCRIPT"),
        device=read.text("PLEXCTL_DEVICE"),
        model_repo=read.text("PLEXCTL_MODEL_REPO"),
        model_revision=read.text("PLEXCTL_MODEL_REVISION"),
        hub_patience_s=read.seconds("PLEXCTL_HUB_PATIENCE_S", None) or 120.0,
        cpu_offload=read.flag("PLEXCTL_CPU_OFFLOAD"),
        torch_compile=read.flag("PLEXCTL_TORCH_COMPILE"),
        voice_dir=read.folder("PLEXCTL_VOICE_DIR"),
        pid_fd=read.whole("PLEXCTL_PID_FD", None, low=3, high=1 << 20),
        environment={name: value for name, value in read.environment.items() if name not in ("PLEXCTL_TOKEN", *KEYS)},
    )


def _count(read: Reader) -> int:
    raw = read.text("PLEXCTL_ENGINES", "1")
    if raw == "auto":
        # One until the gateway can read how much GPU memory is free: a second engine that does not fit
        # would take the first one down with it.
        return 1
    return read.whole("PLEXCTL_ENGINES", 1, low=1, high=64) or 1
