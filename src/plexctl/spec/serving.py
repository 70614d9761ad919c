"""What is the same wherever it runs: the model, the image, the gateway, and how long things may take and live."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from plexctl.spec.values import ImageReference, Line, Port, Seconds

DEFAULT_REPOSITORY = "nvidia/personaplex-7b-v1"


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
            examples=["0123456789abcdef0123456789abcdef01234567"],
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


class Image(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The container image."""

    name: Annotated[
        ImageReference | None,
        Meta(
            examples=["ghcr.io/you/personaplex:latest"],
            description="Image to run, with its digest for choice; "
            "unset: what `plexctl image build` made last, or what the provider builds.",
            extra={"env": "PLEXCTL_IMAGE"},
        ),
    ] = None
    profile: Annotated[
        Literal["cu121", "cu128", "cu128-aarch64", "echo"] | None,
        Meta(
            examples=["cu121"],
            description="What the image is built for: cu121 (sm_80 to sm_90), cu128 (Blackwell too), cu128-aarch64, "
            "or echo (no torch); by GPU and engine when unset.",
            extra={"env": "PLEXCTL_IMAGE_PROFILE"},
        ),
    ] = None
    repository: Annotated[
        ImageReference | None,
        Meta(
            examples=["ghcr.io/you/personaplex"],
            description="Where `plexctl image build --push` pushes to, such as ghcr.io/you/personaplex.",
            extra={"env": "PLEXCTL_IMAGE_REPOSITORY"},
        ),
    ] = None
    base: Annotated[
        ImageReference | None,
        Meta(
            examples=["docker.io/library/python:3.12-slim-bookworm"],
            description="Image to build on, instead of the profile's: Debian or Ubuntu with Python 3.12.",
            extra={"env": "PLEXCTL_BASE_IMAGE"},
        ),
    ] = None


class Gateway(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How callers are served."""

    port: Annotated[
        Port | None,
        Meta(
            examples=[8998],
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
            examples=["NATF2.pt"],
            description="Voice for callers that name none, such as NATF2.pt.",
            extra={"env": "PLEXCTL_VOICE"},
        ),
    ] = None
    text_prompt: Annotated[
        Annotated[str, Meta(min_length=1, max_length=1000)] | None,
        Meta(
            examples=["You are a friendly voice. Answer in short sentences."],
            description="Prompt for callers that send none.",
            extra={"env": "PLEXCTL_TEXT_PROMPT"},
        ),
    ] = None
    idle_timeout_s: Annotated[
        Seconds | None,
        Meta(
            examples=[1800],
            description="End the deployment after so many seconds without a conversation.",
            extra={"env": "PLEXCTL_IDLE_TIMEOUT_S"},
        ),
    ] = None
    max_session_s: Annotated[
        Seconds | None,
        Meta(
            examples=[3600],
            description="End a conversation after so many seconds.",
            extra={"env": "PLEXCTL_MAX_SESSION_S"},
        ),
    ] = None


class Limits(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What plexctl waits for, and how long things may live."""

    start_timeout_s: Annotated[
        Seconds,
        Meta(
            description="How long a start may take until the model is ready; each offer that is tried has so long.",
            extra={"env": "PLEXCTL_START_TIMEOUT_S"},
        ),
    ] = 1800.0
    max_tries: Annotated[
        Annotated[int, Meta(ge=1, le=100)],
        Meta(
            description="How many offers a deploy tries, one after the other, where one has no capacity or a bad host.",
            extra={"env": "PLEXCTL_MAX_TRIES"},
        ),
    ] = 5
    deadline_s: Annotated[
        Seconds | None,
        Meta(
            examples=[3600],
            description="How long a deploy may take with all that it tries; twice start_timeout_s when unset.",
            extra={"env": "PLEXCTL_DEADLINE_S"},
        ),
    ] = None
    ttl_s: Annotated[
        Seconds | None,
        Meta(
            examples=[28800],
            description="End the deployment so many seconds after it was made.",
            extra={"env": "PLEXCTL_TTL_S"},
        ),
    ] = None


class Templates(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Templates of your own."""

    folder: Annotated[
        Line,
        Meta(
            description="Folder whose files take the place of plexctl's templates of the same name, "
            "such as container/Dockerfile.j2; it need not exist.",
            extra={"env": "PLEXCTL_TEMPLATES"},
        ),
    ] = "templates"
