"""What the loopback Modal keeps: apps, functions, secrets, volumes, images, containers and what they logged. No I/O."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from modal_proto import api_pb2

ALIVE = (
    api_pb2.APP_STATE_INITIALIZING,
    api_pb2.APP_STATE_EPHEMERAL,
    api_pb2.APP_STATE_DETACHED,
    api_pb2.APP_STATE_DETACHED_DISCONNECTED,
    api_pb2.APP_STATE_DEPLOYED,
    api_pb2.APP_STATE_STOPPING,
)
GPUS = ("T4", "L4", "A10", "A10G", "L40S", "A100", "A100-40GB", "A100-80GB", "RTX-PRO-6000", "H100", "H100!", "H200")
"""The types that it knows; more in `Cloud.gpus`."""
_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """Return an id of Modal's form: a prefix, 22 letters and digits."""
    return f"{prefix}-{''.join(secrets.choice(_ALPHABET) for _ in range(22))}"


@dataclass
class Line:
    """One entry of an app's log; `text` ends with its line's end where the line was whole."""

    text: str
    time: float
    number: int
    source: Any = api_pb2.FILE_DESCRIPTOR_STDOUT
    container: str = ""


@dataclass
class App:
    """One app. Its name is a name only when it is published."""

    description: str
    environment: str
    created_at: float
    state: Any = api_pb2.APP_STATE_INITIALIZING
    id: str = field(default_factory=lambda: new_id("ap"))
    name: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    version: int = 0
    deployed_at: float = 0.0
    stopped_at: float = 0.0
    functions: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)

    @property
    def is_alive(self) -> bool:
        """Tell whether it is among the live apps."""
        return self.state in ALIVE


@dataclass
class Function:
    """A function of an app: its definitions, the preferred GPU's first."""

    id: str
    app_id: str
    name: str
    definitions: list[Any] = field(default_factory=list)

    @property
    def definition(self) -> Any:
        """What is the same for every GPU."""
        return self.definitions[0]


@dataclass
class Secret:
    """A secret with its values; unnamed ones belong to an app."""

    id: str
    name: str
    environment: str
    values: dict[str, str]
    created_at: float


@dataclass
class Volume:
    """A volume and its files: path to size."""

    id: str
    name: str
    environment: str
    created_at: float
    files: dict[str, int] = field(default_factory=dict)


@dataclass
class Image:
    """An image by what it is built of, and what its build said."""

    id: str
    layer: bytes
    is_built: bool = False
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """A request that came in."""

    method: str
    request: Any
    metadata: Mapping[str, str]

    @property
    def changes(self) -> bool:
        """Tell whether it makes, changes or removes something that outlives the client."""
        return bool(CHANGES.get(self.method, lambda _: False)(self.request))


def _always(_: Any) -> bool:
    return True


def _creates(request: Any) -> bool:
    return bool(request.object_creation_type != api_pb2.OBJECT_CREATION_TYPE_UNSPECIFIED)


CHANGES: dict[str, Callable[[Any], bool]] = {
    "AppCreate": _always,
    "AppGetOrCreate": _creates,
    "AppPublish": _always,
    "AppSetTags": _always,
    "AppStop": _always,
    "ClassCreate": _always,
    "FunctionCreate": _always,
    "FunctionMap": _always,
    "FunctionPrecreate": _always,
    "FunctionUpdateSchedulingParams": _always,
    "ImageGetOrCreate": _always,
    "MountPutFile": _always,
    "SecretDelete": _always,
    "SecretGetOrCreate": _creates,
    "SecretUpdate": _always,
    "VolumeDelete": _always,
    "VolumeGetOrCreate": _creates,
}
"""The calls that change something, as far as plexctl and Modal's own commands use them."""
FINDS = ("SecretGetOrCreate", "VolumeGetOrCreate")
"""Those that change nothing when what they would make is there."""
