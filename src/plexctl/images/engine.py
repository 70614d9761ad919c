"""The container engine, Docker's or Podman's, over its socket: where it is, and its images.

The one part that imports the docker SDK, inside functions; `engine_containers` has the engine's containers, networks
and volumes. What is returned was read back from the engine.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from plexctl.errors import ConfigurationError, ExtraMissingError, NotFoundError, ProviderError
from plexctl.images.archive import tar_of
from plexctl.images.engine_errors import NO_SOCKET, START_ENGINE, engine_errors
from plexctl.images.events import Report, follow_build, follow_transfer

if TYPE_CHECKING:
    from docker import APIClient

_ANSWER_LIMIT_S = 120
"""For one answer: Podman's first removal of a network may wait for its own garbage. Streams have no limit."""
_TAG_LATEST = "latest"
_UNIX = "unix://"


@dataclass(frozen=True, slots=True)
class Image:
    """An image that an engine has."""

    id: str
    digests: tuple[str, ...]
    """As `repository@sha256:...`; Podman has one for each name, whether it was pushed or not."""
    size_bytes: int
    built_at: float
    """Seconds since the epoch, as the engine says."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """What an image is built from; `platform` as `linux/arm64`, None for the engine's own."""

    files: Mapping[str, str]
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    use_cache: bool = True
    platform: str | None = None


def engine_address(environ: Mapping[str, str]) -> str:
    """Return where the engine listens: DOCKER_HOST, or the first of the usual sockets that is there.

    Raises ConfigurationError when there is none. Nothing is asked yet.
    """
    named = environ.get("DOCKER_HOST", "").strip()
    if named:
        if named.startswith(_UNIX) and not _is_there(Path(named.removeprefix(_UNIX))):
            raise ConfigurationError(f"cannot use the container engine at {named}: {NO_SOCKET}", hint=START_ENGINE)
        return named
    sockets = _usual_sockets(environ)
    found = next((path for path in sockets if _is_there(path)), None)
    if found is None:
        raise ConfigurationError(
            f"no container engine was found: there is none of {', '.join(map(str, sockets))}",
            hint=f"install Docker or Podman and {START_ENGINE}",
        )
    return f"{_UNIX}{found}"


def is_on_this_machine(address: str) -> bool:
    """Tell whether what an engine publishes on its loopback can be reached from here."""
    scheme, _, rest = address.partition("://")
    host = rest.partition("/")[0].rpartition(":")[0] or rest
    return scheme in ("unix", "npipe") or host in ("127.0.0.1", "localhost", "[::1]")


class Engine:
    """A connection to a container engine, until the end of its `with`. `connect` makes one."""

    def __init__(self, api: APIClient, address: str, version: Mapping[str, Any]) -> None:
        self.api = api
        self.address = address
        self._version = version

    @classmethod
    def connect(cls, environ: Mapping[str, str]) -> Engine:
        """Connect and ask for the version.

        Raises ExtraMissingError without the SDK, ConfigurationError when there is no engine or it cannot be used.
        """
        try:
            import docker
            from docker.utils import kwargs_from_env
        except ModuleNotFoundError as error:
            raise ExtraMissingError(
                f"containers need the package {error.name}, which is not installed",
                hint="pip install 'plexctl[docker]'",
            ) from error
        address = engine_address(environ)
        with engine_errors(f"use the container engine at {address}"):
            options = kwargs_from_env(environment={**environ, "DOCKER_HOST": address})
            api = docker.APIClient(version="auto", timeout=_ANSWER_LIMIT_S, **options)
            return cls(api, address, api.version())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.api.close()

    @property
    def name(self) -> str:
        """Name and version, as `Podman 4.3.1`."""
        parts = [str(part.get("Name", "")) for part in self._version.get("Components") or []]
        kind = "Podman" if any("podman" in part.lower() for part in parts) else "Docker"
        return f"{kind} {self._version.get('Version', '')}".strip()

    @property
    def command(self) -> str:
        """The command line that goes with the engine."""
        return self.name.partition(" ")[0].lower()

    @property
    def machine(self) -> str:
        """Architecture in Go's words, such as `amd64`."""
        return str(self._version.get("Arch", ""))

    def knows_gpus(self) -> bool:
        """Tell whether the engine speaks of NVIDIA at all: a runtime, or a device by CDI. Not that there is a GPU."""
        with engine_errors("ask the engine what it has"):
            info = self.api.info()
        devices = [str(device.get("ID", "")) for device in info.get("DiscoveredDevices") or []]
        return "nvidia" in (info.get("Runtimes") or {}) or any(one.startswith("nvidia.com/") for one in devices)

    def image(self, reference: str) -> Image | None:
        """Return the image of that name, digest or id; None when the engine has none."""
        try:
            with engine_errors(f"look at the image {reference}"):
                return _image(self.api.inspect_image(reference))  # type: ignore[no-untyped-call]
        except NotFoundError:
            return None

    def image_labelled(self, key: str, value: str) -> Image | None:
        """Return the newest image with a label; None when there is none."""
        with engine_errors("list images"):
            found = self.api.images(filters={"label": f"{key}={value}"})
        newest = max(found, key=lambda one: int(one.get("Created") or 0), default=None)
        return self.image(str(newest["Id"])) if newest else None

    def build(self, recipe: Recipe, name: str, report: Report) -> Image:
        """Build an image under a name. Raises ProviderError with the step that failed."""
        with engine_errors("build the image"):
            events = self.api.build(
                fileobj=io.BytesIO(tar_of(recipe.files)),
                custom_context=True,
                decode=True,
                rm=True,
                forcerm=True,
                tag=name,
                nocache=not recipe.use_cache,
                labels=dict(recipe.labels),
                buildargs=dict(recipe.build_args),
                platform=recipe.platform,
            )
            with closing(events):
                follow_build(events, report)
        return self._read_back(name)

    def pull(self, reference: str, report: Report) -> Image:
        """Pull an image. Raises NotFoundError or CredentialsError when the registry does not give it."""
        repository, tag = split_reference(reference)
        with engine_errors(f"pull {reference}"):
            events = self.api.pull(repository, tag=tag, stream=True, decode=True)
            with closing(events):
                follow_transfer(events, f"pull {reference}", report)
        return self._read_back(reference)

    def tag(self, image: Image, reference: str) -> None:
        """Give an image another name."""
        repository, tag = split_reference(reference)
        with engine_errors(f"name the image {reference}"):
            self.api.tag(image.id, repository, tag=tag, force=True)

    def push(self, reference: str, report: Report) -> str:
        """Push an image with the credentials of the engine's own store; return its digest at the registry."""
        repository, tag = split_reference(reference)
        with engine_errors(f"push {reference}"):
            events = self.api.push(repository, tag=tag, stream=True, decode=True)
            with closing(events):
                told = follow_transfer(events, f"push {reference}", report)
        if told:
            return told
        digests = (one.partition("@") for one in self._read_back(reference).digests)
        found = next((digest for name, _, digest in digests if name == repository), None)
        if found is None:
            raise ProviderError(f"{reference} was pushed, and {self.name} does not say with which digest")
        return found

    def _read_back(self, reference: str) -> Image:
        image = self.image(reference)
        if image is None:
            raise ProviderError(f"{self.name} said that it has {reference} now, and has not")
        return image


def split_reference(reference: str) -> tuple[str, str]:
    """Return repository and tag (or digest) of an image's reference; `latest` when it names neither."""
    repository, at, digest = reference.partition("@")
    if at:
        return _without_tag(repository)[0], digest
    repository, tag = _without_tag(reference)
    return repository, tag or _TAG_LATEST


def _without_tag(reference: str) -> tuple[str, str]:
    head, colon, tag = reference.rpartition(":")
    return (head, tag) if colon and "/" not in tag else (reference, "")


def _image(found: Mapping[str, Any]) -> Image:
    return Image(
        id=str(found["Id"]),
        digests=tuple(map(str, found.get("RepoDigests") or ())),
        size_bytes=int(found.get("Size") or 0),
        built_at=datetime.fromisoformat(str(found["Created"])).timestamp(),
    )


def _usual_sockets(environ: Mapping[str, str]) -> list[Path]:
    own = environ.get("XDG_RUNTIME_DIR", "").strip()
    users = [Path(own, "podman", "podman.sock")] if own else []
    return [Path("/var/run/docker.sock"), *users, Path("/run/podman/podman.sock")]


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:
        return False
