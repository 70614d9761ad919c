"""What the user wants: the schema of `plexctl.toml`, of the environment and of the flags.

Each field carries its description and, where there is one, the environment variable that sets it; the commented
file that `plexctl init` writes, the JSON Schema and the table in the README all come from here.
msgspec checks types and ranges; `layers` names the key in its errors and finds the nearest valid one.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from plexctl.spec.serving import DEFAULT_REPOSITORY, Gateway, Image, Limits, Model, Templates
from plexctl.spec.targets import CloudRun, Host, Lambda, Local, Modal, Ovh, RunPod, Ssh, Vast
from plexctl.spec.values import Name, VariableName

PROVIDERS = ("local", "ssh", "modal", "cloudrun", "runpod", "vast", "lambda", "ovh")
"""Spelling on the command line."""
DEFAULT_NAME = "personaplex"


class Spec(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A deployment as the user wants it."""

    name: Annotated[Name, Meta(extra={"env": "PLEXCTL_NAME"})] = DEFAULT_NAME
    provider: Annotated[
        str | None,
        Meta(
            examples=["local"],
            description="Where to run: " + ", ".join(PROVIDERS) + ".",
            extra={"env": "PLEXCTL_PROVIDER"},
        ),
    ] = None
    engine: Annotated[
        Literal["personaplex", "echo"] | None,
        Meta(
            examples=["echo"],
            description="personaplex, or echo (no GPU, no weights, repeats the caller); "
            "unset: personaplex where there is a GPU for it, echo otherwise.",
            extra={"env": "PLEXCTL_ENGINE"},
        ),
    ] = None
    model: Model = field(default_factory=Model)
    image: Image = field(default_factory=Image)
    gateway: Gateway = field(default_factory=Gateway)
    limits: Limits = field(default_factory=Limits)
    templates: Templates = field(default_factory=Templates)
    local: Local = field(default_factory=Local)
    host: Host = field(default_factory=Host)
    ssh: Ssh = field(default_factory=Ssh)
    modal: Modal = field(default_factory=Modal)
    cloudrun: CloudRun = field(default_factory=CloudRun)
    runpod: RunPod = field(default_factory=RunPod)
    vast: Vast = field(default_factory=Vast)
    lambda_: Lambda = field(default_factory=Lambda, name="lambda")
    ovh: Ovh = field(default_factory=Ovh)
    env: Annotated[
        dict[VariableName, str],
        Meta(examples=[{"LOG_LEVEL": "info"}], description="Variables for the server."),
    ] = field(default_factory=dict)
    secrets: Annotated[
        tuple[VariableName, ...],
        Meta(
            examples=[["HF_TOKEN"]],
            description="Names of secrets for the server; values come from the environment or a file.",
        ),
    ] = ()


__all__ = [
    "DEFAULT_NAME",
    "DEFAULT_REPOSITORY",
    "PROVIDERS",
    "CloudRun",
    "Gateway",
    "Host",
    "Image",
    "Lambda",
    "Limits",
    "Local",
    "Modal",
    "Model",
    "Ovh",
    "RunPod",
    "Spec",
    "Ssh",
    "Templates",
    "Vast",
]
