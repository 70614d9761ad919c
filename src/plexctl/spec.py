"""What the user wants: the schema of `plexctl.toml`, of the environment and of the flags.

Each field carries its description and, where there is one, the environment variable that sets it; the commented
file that `plexctl init` writes, the JSON Schema and the table in the README all come from here.
msgspec checks types and ranges; `config` names the key in its errors and finds the nearest valid one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from plexctl.identity import NAME_PATTERN

PROVIDERS = ("local", "ssh", "modal", "cloudrun", "runpod", "vast", "lambda", "ovh")
"""Spelling on the command line."""
DEFAULT_NAME = "personaplex"
DEFAULT_REPOSITORY = "nvidia/personaplex-7b-v1"

# `$(?!\n)`: the end of the text for Python's and for JSON Schema's regular expressions alike.
Name = Annotated[
    str,
    Meta(
        pattern=rf"^{NAME_PATTERN}$(?!\n)",
        description="Name of the deployment: lower-case letters, digits and hyphens, at most 40.",
    ),
]
Port = Annotated[int, Meta(ge=1, le=65535)]
LONGEST_S = 315_360_000
"""Ten years: a longer time is a slip, and the calendar of the logs would not hold it."""
Seconds = Annotated[float, Meta(gt=0, le=LONGEST_S)]
VariableName = Annotated[str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,127}$(?!\n)")]


class Model(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Which weights."""

    repo: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9][\w.-]*/[\w.-]+$(?!\n)",
            description="Hugging Face repository of the weights.",
            extra={"env": "PLEXCTL_MODEL_REPO"},
        ),
    ] = DEFAULT_REPOSITORY
    revision: Annotated[
        str | None,
        Meta(
            description="Commit (40 hex digits), branch or tag; the newest when unset.",
            extra={"env": "PLEXCTL_MODEL_REVISION"},
        ),
    ] = None
    cpu_offload: Annotated[
        bool,
        Meta(
            description="Pass --cpu-offload to the engine. It never kept real time when measured.",
            extra={"env": "PLEXCTL_CPU_OFFLOAD"},
        ),
    ] = False


class Gateway(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How callers are served."""

    port: Annotated[
        Port | None,
        Meta(
            description="Port to listen on; the first free one from 8998 when unset.",
            extra={"env": "PLEXCTL_PORT"},
        ),
    ] = None
    engines: Annotated[
        Annotated[int, Meta(ge=1, le=64)] | Literal["auto"],
        Meta(
            description='How many engines to run: a number, or "auto" for as many as the GPU carries.',
            extra={"env": "PLEXCTL_ENGINES"},
        ),
    ] = "auto"
    voice: Annotated[
        str | None,
        Meta(
            description="Voice for callers that name none, such as NATF2.pt.",
            extra={"env": "PLEXCTL_VOICE"},
        ),
    ] = None
    text_prompt: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1000)] | None,
        Meta(
            description="Prompt for callers that send none.",
            extra={"env": "PLEXCTL_TEXT_PROMPT"},
        ),
    ] = None
    idle_timeout_s: Annotated[
        Seconds | None,
        Meta(
            description="End the deployment after so many seconds without a conversation.",
            extra={"env": "PLEXCTL_IDLE_TIMEOUT_S"},
        ),
    ] = None
    max_session_s: Annotated[
        Seconds | None,
        Meta(
            description="End a conversation after so many seconds.",
            extra={"env": "PLEXCTL_MAX_SESSION_S"},
        ),
    ] = None


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What plexctl waits for, and how long things may live."""

    start_timeout_s: Annotated[
        Seconds,
        Meta(
            description="How long a deploy may take until the model talks.",
            extra={"env": "PLEXCTL_START_TIMEOUT_S"},
        ),
    ] = 1800.0
    ttl_s: Annotated[
        Seconds | None,
        Meta(
            description="End the deployment so many seconds after it was made.",
            extra={"env": "PLEXCTL_TTL_S"},
        ),
    ] = None


class Local(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The local provider."""

    engine_python: Annotated[
        str | None,
        Meta(
            description="Python of the environment in which NVIDIA's server is installed.",
            extra={"env": "PLEXCTL_ENGINE_PYTHON"},
        ),
    ] = None


class Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A deployment as the user wants it."""

    name: Annotated[Name, Meta(extra={"env": "PLEXCTL_NAME"})] = DEFAULT_NAME
    provider: Annotated[
        str | None,
        Meta(
            description="Where to run: " + ", ".join(PROVIDERS) + ".",
            extra={"env": "PLEXCTL_PROVIDER"},
        ),
    ] = None
    engine: Annotated[
        Literal["personaplex", "echo"] | None,
        Meta(
            description="personaplex, or echo (no GPU, no weights, repeats the caller); "
            "unset: personaplex where there is a GPU for it, echo otherwise.",
            extra={"env": "PLEXCTL_ENGINE"},
        ),
    ] = None
    model: Model = field(default_factory=Model)
    gateway: Gateway = field(default_factory=Gateway)
    limits: Limits = field(default_factory=Limits)
    local: Local = field(default_factory=Local)
    env: Annotated[
        dict[VariableName, str],
        Meta(description="Variables for the server."),
    ] = field(default_factory=dict)
    secrets: Annotated[
        tuple[VariableName, ...],
        Meta(description="Names of secrets for the server; values come from the environment or a file."),
    ] = ()
